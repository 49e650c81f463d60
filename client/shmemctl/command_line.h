// The command line: every command with its flags, arguments, examples and what it does. Used once, by main.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <string>

#include "client/shmemctl/context.h"
#include "client/shmemctl/rpc_error.h"

namespace shmemd::shmemctl {

using Action = std::function<ExitCode(Context&)>;

class CommandLine {
 public:
  CommandLine();

  // Adds a command. `examples`: one to a line, without the program's name. What it returns takes arguments
  // and flags of the command; whoever adds them keeps their values alive in the action.
  CLI::App* Add(const std::string& name, const std::string& summary, const std::string& examples,
                Action action, bool junit = false);

  // Every command with its flags, arguments and examples.
  const CLI::App& app() const { return app_; }

  // Reads the arguments, does what they say, and returns the exit code of the program.
  int Run(int argc, char** argv);

 private:
  void AddCommonFlags(CLI::App* app, bool junit);
  void AddOutputFlags(CLI::App* app, bool junit);
  void AddConnectionFlags(CLI::App* app);
  int CompleteWords(const std::vector<std::string>& words) const;
  int RunChosen();
  int Refuse(const CLI::ParseError& error) const;

  CLI::App app_;
  Options options_;
  Action chosen_;
};

// Every command, in the order in which help lists them.
void AddAllCommands(CommandLine* line);

// Each adds its commands.
void AddStatusCommand(CommandLine* line);
void AddListCommands(CommandLine* line);
void AddMappingCommands(CommandLine* line);
void AddMapCommand(CommandLine* line);
void AddTopCommand(CommandLine* line);
void AddEventsCommand(CommandLine* line);
void AddDoctorCommand(CommandLine* line);
void AddProbeCommand(CommandLine* line);
void AddAttachCommand(CommandLine* line);
void AddDetachCommand(CommandLine* line);
void AddResetPeaksCommand(CommandLine* line);
void AddRefreshCommand(CommandLine* line);
void AddHealthCommand(CommandLine* line);
void AddMetricsCommand(CommandLine* line);
void AddVersionCommand(CommandLine* line);
void AddCompletionCommand(CommandLine* line);

}  // namespace shmemd::shmemctl
