// Runs shmemctl against a fake shmemd.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "tests/client/fake_shmemd.h"
#include "tests/client/run_program.h"

namespace shmemd::client {

inline ProgramRun Ctl(const FakeShmemd& fake, const std::vector<std::string>& arguments,
                      ProgramOptions options = {}) {
  options.environment.emplace("SHMEMD_ENDPOINT", fake.endpoint());
  options.environment.emplace("LC_ALL", "C.UTF-8");
  return RunProgram("shmemctl", arguments, options);
}

}  // namespace shmemd::client
