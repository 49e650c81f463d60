// What a command shows again and again, where it goes: on a terminal in place, else one after the other.
#pragma once

#include <absl/status/statusor.h>

#include <string>

#include "client/print/screen.h"
#include "client/shmemctl/show.h"

namespace shmemd::shmemctl {

class Pictures {
 public:
  explicit Pictures(Context& context) : context_(context) {}

  // What `show` printed, or the error that it met.
  absl::StatusOr<ExitCode> Take(const Sources& sources, const Show& show);
  bool any() const { return any_; }
  // What was shown last stays, and why nothing new comes.
  void Broken(const absl::Status& status);

 private:
  void Draw(const std::string& title, const std::string& text);

  Context& context_;
  client::Screen screen_;
  std::string last_;
  std::string noted_;
  bool any_ = false;
};

}  // namespace shmemd::shmemctl
