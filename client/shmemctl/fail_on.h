// --fail-on: from which severity on findings are a failure.
#pragma once

#include <google/protobuf/repeated_field.h>

#include <CLI/CLI.hpp>
#include <optional>
#include <string>

#include "vhost/shmem/v1/finding.pb.h"

namespace shmemd::shmemctl {

// "never": nullopt; "info", "warning", "error".
std::optional<::vhost::shmem::v1::Finding::Severity> ParseFailOn(const std::string& word);

// Whether an open one is at least as bad.
bool AnyAsBadAs(const google::protobuf::RepeatedPtrField<::vhost::shmem::v1::Finding>& findings,
                std::optional<::vhost::shmem::v1::Finding::Severity> limit);

void AddFailOnFlag(CLI::App* command, std::string* fail_on);

}  // namespace shmemd::shmemctl
