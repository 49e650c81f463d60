#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/client/fake_shmemd.h"
#include "tests/client/run_program.h"

namespace shmemd::client {
namespace {

TEST(Shmemctl, ShowsAll) {
  FakeShmemd fake(SampleData());
  for (const std::vector<std::string>& arguments : std::vector<std::vector<std::string>>{
           {"backends"}, {"regions"}, {"regions", "gpu0"}, {"mappings"}, {"map"}, {"map", "gpu0/0", "--color", "always"}, {"features", "gpu0"},
           {"findings"}, {"findings", "-o", "yaml"}, {"regions", "gpu0", "-o", "json"}, {"regoins"}, {"regions", "--byts"}, {"health", "--backends"},{"version"}, {"refresh", "gpu0"}, {"map", "gpu0/1"}, {"--help"}, {"map", "--help"}}) {
    for (int columns : {80, 200}) {
      auto run = RunProgram("shmemctl", arguments, {.environment = {{"SHMEMD_ENDPOINT", fake.endpoint()}, {"LANG", "C.UTF-8"}, {"COLUMNS", std::to_string(columns)}}});
      std::string line;
      for (auto& a : arguments) line += a + " ";
      printf("$ shmemctl %s (%d)\n%s%s-> %d\n", line.c_str(), columns, run.out.c_str(), run.err.c_str(), run.exit_code);
    }
  }
}

}  // namespace
}  // namespace shmemd::client
