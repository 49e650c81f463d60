#include "client/shmemctl/help_format.h"

#include <absl/strings/str_cat.h>
#include <absl/strings/str_replace.h>

#include <utility>

#include "client/print/text.h"

namespace shmemd::shmemctl {
namespace {

constexpr int kWidth = 80;
constexpr int kDescriptionColumn = 26;

// Name on the left, description in a column of its own; a long name has a line for itself.
std::string Entry(const std::string& name, const std::string& description) {
  const std::string lead(kDescriptionColumn, ' ');
  const std::string lines = client::Wrapped(lead, description, kWidth);
  const std::string left = absl::StrCat("  ", name);
  if (left.size() + 2 > kDescriptionColumn) return absl::StrCat(left, "\n", lines);
  return absl::StrCat(client::PadRight(left, kDescriptionColumn), lines.substr(kDescriptionColumn));
}

class HelpFormat : public CLI::Formatter {
 public:
  // What there is to do comes before the flags that all commands have.
  std::string make_help(const CLI::App* app, std::string name, CLI::AppFormatMode mode) const override {
    const std::string text =
        absl::StrCat(make_description(app), make_usage(app, std::move(name)), make_positionals(app),
                     make_subcommands(app, mode), make_groups(app, mode), "\n", make_footer(app));
    return absl::StrReplaceAll(text, {{"\n\n\n", "\n\n"}});
  }

  std::string make_option(const CLI::Option* option, bool is_positional) const override {
    return Entry(absl::StrCat(is_positional ? option->get_name(true) : option->get_name(false, true),
                              make_option_opts(option)),
                 option->get_description());
  }

  // " table|wide|json|yaml", " FILE"; what range a number may have is said where it is refused.
  std::string make_option_opts(const CLI::Option* option) const override {
    const std::string type = option->get_type_name();
    const size_t open = type.find('{');
    if (open != std::string::npos) {
      const std::string words = type.substr(open + 1, type.find('}') - open - 1);
      return absl::StrCat(" ", absl::StrReplaceAll(words, {{",", "|"}}));
    }
    if (option->get_items_expected_max() == 0 || option->get_positional()) return "";
    return absl::StrCat(" ", type.substr(0, type.find(':')));
  }

  std::string make_subcommand(const CLI::App* command) const override {
    return Entry(command->get_name(), command->get_description());
  }
};

}  // namespace

std::shared_ptr<CLI::FormatterBase> MakeHelpFormat() { return std::make_shared<HelpFormat>(); }

}  // namespace shmemd::shmemctl
