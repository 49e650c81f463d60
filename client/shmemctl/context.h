// What a command works with: the options of this run, and where its output goes. Made by main after the
// command line was read; lives as long as the command.
#pragma once

#include <absl/status/status.h>
#include <google/protobuf/message.h>

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "client/print/table.h"
#include "client/shmemctl/chosen_endpoint.h"
#include "client/shmemctl/rpc_error.h"
#include "client/shmemctl/source.h"
#include "shmemd/client.h"

namespace shmemd::shmemctl {

// What is written where no terminal is, unless -o json says it.
enum class Piped { kJson, kBlocks };

enum class Output { kTable, kWide, kJson, kYaml, kJunit };

// The flags that every command has.
struct Options {
  std::string output = "table";
  std::vector<std::string> endpoints;
  std::string endpoints_from;  // a file
  client::TlsFiles tls;
  std::string timeout = "10s";
  std::string color = "auto";
  std::optional<int> width;
  bool quiet = false;
  bool no_headers = false;
  bool bytes = false;
};

// What commands say that draw or change something.
absl::Status OnlyOneEndpoint();

class Context {
 public:
  // Makes sense of the options; InvalidArgument names the flag and what was expected.
  static absl::StatusOr<Context> Make(const Options& options);

  Output output() const { return output_; }
  bool quiet() const { return quiet_; }
  bool structured() const { return json_lines_ || output_ == Output::kJson || output_ == Output::kYaml; }
  const client::PrintStyle& style() const { return style_; }
  // Asks the terminal again how wide it is.
  void MeasureTerminal();
  std::chrono::milliseconds timeout() const { return timeout_; }

  // Whether more than one endpoint may be asked: what is printed then says who answered.
  bool several() const { return several_; }
  // All endpoints of this run; the timeout is that of each call. InvalidArgument for an endpoint or for files
  // that cannot be read.
  absl::StatusOr<std::vector<Source>> Sources();
  // A client for the endpoint of this run, of which all calls together may take the time of --timeout from
  // here on. InvalidArgument as above, and where there are several.
  absl::StatusOr<client::Client> Connect(Role role);
  // What the last Connect chose.
  const ChosenEndpoint& asked() const { return asked_; }

  // From here on the command shows one thing again and again: a message is a line of JSON, unless a terminal
  // is drawn on, or text was asked for and is what programs get, too. Reads the list of endpoints, for which
  // it may have to wait: before a Follow is made. InvalidArgument for flags that do not go with that, and for
  // the list.
  absl::Status FollowOn(Piped piped = Piped::kJson);
  bool on_terminal() const { return on_terminal_; }
  bool json_lines() const { return json_lines_; }
  // What is printed and noted goes there until the next call; nullptr: to standard output and error.
  void Capture(std::string* text, std::string* notes, std::string* headline = nullptr) {
    capture_ = text;
    captured_notes_ = notes;
    captured_headline_ = headline;
  }
  // What a picture has to say above all else; nothing where no picture is drawn.
  void Headline(std::string_view text) const {
    if (captured_headline_ != nullptr) *captured_headline_ = text;
  }

  // To standard output.
  void Print(std::string_view text) const;
  // Writes out what was printed. False: it cannot be, now or before.
  bool Flush() const;
  // Why what was printed could not be written first; 0: it could.
  int write_error() const { return write_error_; }
  // A line to standard error.
  void Note(std::string_view text) const;
  // The message as JSON or YAML, whichever was asked for. `list_field`: see client::ToJson.
  void PrintMessage(const google::protobuf::Message& message, std::string_view list_field = "") const;
  // JSON as it is, in one line or as YAML, whichever was asked for. A command prints one document, or lines.
  void PrintJson(const std::string& json) const;

  // Says on standard error what went wrong and returns the exit code for it.
  ExitCode Fail(const absl::Status& status, const ChosenEndpoint& endpoint) const;
  ExitCode Fail(const absl::Status& status) const;

 private:
  Context() = default;
  absl::StatusOr<std::vector<ChosenEndpoint>> Endpoints(Role role);
  // Once.
  absl::Status ReadList();

  Output output_ = Output::kTable;
  bool quiet_ = false;
  bool on_terminal_ = false;
  bool json_lines_ = false;
  mutable int write_error_ = 0;
  std::string* capture_ = nullptr;
  std::string* captured_notes_ = nullptr;
  std::string* captured_headline_ = nullptr;
  client::PrintStyle style_;
  std::optional<int> width_;
  client::ColorWhen color_ = client::ColorWhen::kAuto;
  std::chrono::milliseconds timeout_{0};
  bool several_ = false;
  std::vector<std::string> endpoints_;
  std::string endpoints_from_;
  std::optional<std::vector<NamedEndpoint>> listed_;  // there
  client::TlsFiles tls_;
  ChosenEndpoint asked_;
};

}  // namespace shmemd::shmemctl
