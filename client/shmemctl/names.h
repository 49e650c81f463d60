// What -q prints of lists: names, one a line, as other commands take them.
#pragma once

#include <absl/strings/str_cat.h>

#include <algorithm>
#include <string>

#include "client/print/answered.h"
#include "client/print/resource_name.h"
#include "client/shmemctl/context.h"

namespace shmemd::shmemctl {

// `items`: the list's field, e.g. &v1::ListRegionsResponse::regions.
template <typename List, typename Items>
bool HasAny(const client::AnsweredList<List>& answers, const Items& (List::*items)() const) {
  return std::any_of(answers.begin(), answers.end(),
                     [items](const auto& answered) { return !(answered.answer->*items)().empty(); });
}

// Of several endpoints each line begins with the endpoint.
template <typename List, typename Items>
void PrintNames(const Context& context, const client::AnsweredList<List>& answers,
                const Items& (List::*items)() const) {
  std::string text;
  for (const auto& [endpoint, answer] : answers) {
    for (const auto& item : (answer->*items)()) {
      absl::StrAppend(&text, endpoint, endpoint.empty() ? "" : " ", client::ShortName(item.name()), "\n");
    }
  }
  context.Print(text);
}

}  // namespace shmemd::shmemctl
