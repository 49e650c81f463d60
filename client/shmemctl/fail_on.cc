#include "client/shmemctl/fail_on.h"

#include <algorithm>
#include <string>
#include <vector>

namespace shmemd::shmemctl {

namespace v1 = ::vhost::shmem::v1;

std::optional<v1::Finding::Severity> ParseFailOn(const std::string& word) {
  if (word == "info") return v1::Finding::INFO;
  if (word == "warning") return v1::Finding::WARNING;
  if (word == "error") return v1::Finding::ERROR;
  return std::nullopt;
}

bool AnyAsBadAs(const google::protobuf::RepeatedPtrField<v1::Finding>& findings,
                std::optional<v1::Finding::Severity> limit) {
  return limit.has_value() &&
         std::any_of(findings.begin(), findings.end(), [limit](const v1::Finding& finding) {
           return finding.open() && finding.severity() >= *limit;
         });
}

void AddFailOnFlag(CLI::App* command, std::string* fail_on) {
  command->add_option("--fail-on", *fail_on, "Exit with 6 when an open finding is at least this bad (never)")
      ->check(CLI::IsMember(std::vector<std::string>{"never", "info", "warning", "error"}));
}

}  // namespace shmemd::shmemctl
