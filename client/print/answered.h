// What one of several shmemds answered, and what a table calls it. A value; the answer is borrowed.
#pragma once

#include <string>
#include <vector>

namespace shmemd::client {

template <typename Answer>
struct Answered {
  std::string endpoint;  // empty: nobody else was asked, and no table says who answered
  const Answer* answer = nullptr;
};

template <typename Answer>
using AnsweredList = std::vector<Answered<Answer>>;

// The answer of the only one that was asked.
template <typename Answer>
AnsweredList<Answer> OnlyAnswer(const Answer& answer) {
  return {{.endpoint = "", .answer = &answer}};
}

}  // namespace shmemd::client
