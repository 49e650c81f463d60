// What -q prints of lists: names, one a line, as other commands take them.
#pragma once

#include <absl/strings/str_cat.h>

#include <algorithm>
#include <string>

#include "client/print/answered.h"
#include "client/print/resource_name.h"
#include "client/print/text.h"
#include "client/shmemctl/context.h"

namespace shmemd::shmemctl {

// `items`: the list's field, e.g. &v1::ListRegionsResponse::regions.
template <typename List, typename Items>
bool HasAny(const client::AnsweredList<List>& answers, const Items& (List::*items)() const) {
  return std::any_of(answers.begin(), answers.end(),
                     [items](const auto& answered) { return !(answered.answer->*items)().empty(); });
}

// Of several endpoints each line begins with the endpoint, as it was given. What the server said is made
// printable.
template <typename List, typename Items>
void PrintNames(const Context& context, const client::AnsweredList<List>& answers,
                const Items& (List::*items)() const) {
  std::string text;
  for (const auto& [endpoint, answer] : answers) {
    for (const auto& item : (answer->*items)()) {
      absl::StrAppend(&text, endpoint, endpoint.empty() ? "" : " ",
                      client::Printable(client::ShortName(item.name()), true), "\n");
    }
  }
  context.Print(text);
}

// "gpu0/2 MAP_OVERLAP": what -q prints of a finding.
template <typename Finding>
std::string QuietFinding(const std::string& endpoint, const Finding& finding) {
  return absl::StrCat(endpoint, endpoint.empty() ? "" : " ",
                      client::Printable(client::ShortName(finding.resource()), true), " ",
                      client::Printable(finding.code(), true), "\n");
}

}  // namespace shmemd::shmemctl
