// A shmemd whose back-ends come and go by RPC, in a directory of its own, with or without a state directory.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tests/component/admin_client.h"

namespace shmemd::component {

inline constexpr std::chrono::seconds kPatience{30};

class AttachTest : public testing::Test {
 protected:
  std::string Path(const std::string& name) const { return directory_.path() + "/" + name; }
  std::string StateDir() const { return Path("state"); }
  std::string StateFile() const { return StateDir() + "/attached.yaml"; }

  void Start(std::vector<std::string> flags = {}) {
    shmemd_ = std::make_unique<app::ShmemdProcess>(Path("run"), flags);
    admin_ = std::make_unique<AdminClient>(*shmemd_);
    view_ = std::make_unique<ShmemdView>(*shmemd_);
  }
  void StartWithState(std::vector<std::string> flags = {}) {
    flags.insert(flags.end(), {"--state-dir", StateDir()});
    Start(flags);
  }
  void Kill() { EXPECT_THAT(shmemd_->End(SIGKILL), testing::Optional(128 + SIGKILL)); }

  std::vector<std::string> Ids() const { return IdsOf(*view_); }
  testing::AssertionResult Logged(const std::string& text) const {
    const bool found = shmemd_->process().transcript().WaitFor(text, kPatience);
    return found ? testing::AssertionSuccess()
                 : testing::AssertionFailure()
                       << text << " is not in "
                       << testing::PrintToString(shmemd_->process().transcript().lines());
  }

  const peers::TemporaryDirectory directory_;
  std::unique_ptr<app::ShmemdProcess> shmemd_;
  std::unique_ptr<AdminClient> admin_;
  std::unique_ptr<ShmemdView> view_;
};

}  // namespace shmemd::component
