// What a command works with: the options of this run, and where its output goes. Made by main after the
// command line was read; lives as long as the command.
#pragma once

#include <absl/status/status.h>
#include <google/protobuf/message.h>

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "client/client.h"
#include "client/endpoint.h"
#include "client/rpc_error.h"
#include "client/table.h"

namespace shmemd::shmemctl {

enum class Output { kTable, kWide, kJson, kYaml, kJunit };

// The flags that every command has.
struct Options {
  std::string output = "table";
  std::string endpoint;
  std::string timeout = "10s";
  std::string color = "auto";
  std::optional<int> width;
  bool quiet = false;
  bool no_headers = false;
  bool bytes = false;
};

class Context {
 public:
  // Makes sense of the options; InvalidArgument names the flag and what was expected.
  static absl::StatusOr<Context> Make(const Options& options);

  Output output() const { return output_; }
  bool quiet() const { return quiet_; }
  bool structured() const { return output_ == Output::kJson || output_ == Output::kYaml; }
  const client::PrintStyle& style() const { return style_; }
  std::chrono::milliseconds timeout() const { return timeout_; }

  // A client for the endpoint of this run. InvalidArgument for an endpoint that cannot be read.
  absl::StatusOr<client::Client> Connect(client::Role role) const;

  // To standard output.
  void Print(std::string_view text) const;
  // A line to standard error.
  void Note(std::string_view text) const;
  // The message as JSON or YAML, whichever was asked for. `list_field`: see client::ToJson.
  void PrintMessage(const google::protobuf::Message& message, std::string_view list_field = "") const;
  // JSON as it is, or as YAML, whichever was asked for. A command prints one document.
  void PrintJson(const std::string& json) const;

  // Says on standard error what went wrong and returns the exit code for it.
  client::ExitCode Fail(const absl::Status& status, const client::Endpoint& endpoint) const;
  client::ExitCode Fail(const absl::Status& status) const;

 private:
  Context() = default;

  Output output_ = Output::kTable;
  bool quiet_ = false;
  client::PrintStyle style_;
  std::chrono::milliseconds timeout_{0};
  std::string endpoint_;
};

}  // namespace shmemd::shmemctl
