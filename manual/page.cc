#include "manual/page.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstddef>
#include <map>
#include <string_view>

#include "manual/roff.h"
#include "manual/text.h"

namespace shmemd::manual {
namespace {

// As --help calls them, and as man-pages(7) does.
constexpr std::array<std::pair<std::string_view, std::string_view>, 3> kTitles{
    {{"Exit code", "Exit status"}, {"Exit codes", "Exit status"}, {"Example", "Examples"}}};
// In which order sections stand at the end; others come before, as they were given.
constexpr std::array<std::string_view, 6> kLast{"Exit status", "Environment", "Files",
                                                "Notes",       "Examples",    "See also"};

std::string TitleOnPage(const std::string& title) {
  for (const auto& [there, here] : kTitles) {
    if (title == there) return std::string(here);
  }
  return title;
}

size_t RankOf(const std::string& title) {
  const auto* const found = std::find(kLast.begin(), kLast.end(), title);
  return found == kLast.end() ? 0 : static_cast<size_t>(found - kLast.begin()) + 1;
}

// Sections in the order of the page. What has no title goes to `description`.
class Sections {
 public:
  void Add(const std::string& title, std::vector<Block> blocks) {
    const auto known =
        std::find_if(all_.begin(), all_.end(), [&](const Section& s) { return s.title == title; });
    if (known == all_.end()) all_.push_back({title, std::move(blocks)});
  }
  void WriteTo(Roff& roff) {
    std::stable_sort(all_.begin(), all_.end(),
                     [](const Section& a, const Section& b) { return RankOf(a.title) < RankOf(b.title); });
    for (const Section& section : all_) {
      roff.Heading(section.title);
      roff.Blocks(section.blocks);
    }
  }

 private:
  std::vector<Section> all_;
};

std::string Upper(std::string text) {
  for (char& c : text) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return text;
}

Roff Begin(const std::string& name, const Page& page) {
  const char* const manual = page.section == 5   ? "File formats"
                             : page.section == 8 ? "System administration"
                                                 : "User commands";
  Roff roff(Upper(name), page.section, SHMEMD_RELEASE_DATE, "shmemd " SHMEMD_VERSION, manual);
  roff.Heading("Name");
  roff.Raw(name + " \\-");
  roff.Raw(page.summary);
  return roff;
}

void AddSections(const Page& page, Sections& sections) {
  for (const auto& [title, text] : page.sections) sections.Add(title, ReadBlocks(text));
}

bool IsShown(const CLI::Option* option) { return !option->get_group().empty(); }

// What an option takes: "FORM", or the words that it may be. --help adds what a validator says of itself.
std::string ValueOf(const CLI::Option* option) {
  const std::string type = option->get_type_name();
  if (const size_t choices = type.find(":{"); choices != std::string::npos) {
    std::string words = type.substr(choices + 2, type.find('}', choices) - choices - 2);
    std::replace(words.begin(), words.end(), ',', '|');
    return Roff::Literal(words);
  }
  const size_t range = type.find(" in [");
  return Roff::Placeholder(range == std::string::npos ? type : type.substr(0, type.find(':')));
}

std::string TermOf(const CLI::Option* option) {
  if (option->get_positional() && option->get_lnames().empty() && option->get_snames().empty())
    return Roff::Placeholder(option->get_name());
  std::string term;
  for (const std::string& name : option->get_snames())
    term += (term.empty() ? "" : ", ") + Roff::Literal("-" + name);
  for (const std::string& name : option->get_lnames())
    term += (term.empty() ? "" : ", ") + Roff::Literal("--" + name);
  if (option->get_items_expected_max() == 0) return term;  // a flag
  const bool repeats = option->get_expected_max() > 1 || option->get_allow_extra_args();
  return term + " " + ValueOf(option) + (repeats ? " ..." : "");
}

void WriteOption(const CLI::Option* option, Roff& roff) {
  const std::string required = option->get_required() && !option->get_positional() ? ". Required." : "";
  roff.Item(TermOf(option), option->get_description() + required);
}

bool IsSame(const CLI::Option* a, const CLI::Option* b) {
  return a->get_name(false, true) == b->get_name(false, true) &&
         a->get_description() == b->get_description() && a->get_type_name() == b->get_type_name();
}

bool Has(const CLI::App& app, const CLI::Option* option) {
  const auto options = app.get_options();
  return std::any_of(options.begin(), options.end(),
                     [&](const CLI::Option* other) { return IsSame(other, option); });
}

// Those of a program or command itself, with those of its option groups. `common`: less those that it has,
// too.
std::vector<const CLI::Option*> OptionsOf(const CLI::App& app, const CLI::App* common) {
  std::vector<const CLI::Option*> found;
  for (const CLI::Option* option : app.get_options(IsShown)) {
    if (common == nullptr || !Has(*common, option)) found.push_back(option);
  }
  for (const CLI::App* part : app.get_subcommands([](const CLI::App* s) { return s->get_name().empty(); })) {
    const auto more = OptionsOf(*part, common);
    found.insert(found.end(), more.begin(), more.end());
  }
  return found;
}

std::vector<const CLI::App*> CommandsOf(const CLI::App& app) {
  return app.get_subcommands(
      [](const CLI::App* s) { return !s->get_name().empty() && !s->get_group().empty(); });
}

bool IsArgument(const CLI::Option* option) { return option->get_positional(); }

// "mappings [BACKEND[/SHMID]]"
std::string UsageOf(const CLI::App& command, const CLI::App& program) {
  std::string usage = command.get_name();
  const auto options = OptionsOf(command, &program);
  if (!std::all_of(options.begin(), options.end(), IsArgument)) usage += " [OPTIONS]";
  for (const CLI::Option* option : options) {
    if (!IsArgument(option)) continue;
    const std::string name = option->get_name() + (option->get_expected_max() > 1 ? "..." : "");
    usage += option->get_required() ? " " + name : " [" + name + "]";
  }
  return usage;
}

// Options under the names of their groups, if they have names of their own.
void WriteOptions(const std::vector<const CLI::Option*>& options, Roff& roff) {
  std::vector<std::string> groups;
  for (const CLI::Option* option : options) {
    if (std::find(groups.begin(), groups.end(), option->get_group()) == groups.end())
      groups.push_back(option->get_group());
  }
  for (const std::string& group : groups) {
    if (group != "Options" && groups.size() > 1) roff.Subheading(group);
    for (const CLI::Option* option : options) {
      if (option->get_group() == group) WriteOption(option, roff);
    }
  }
}

void WriteSentence(std::string text, Roff& roff) {
  if (!text.empty() && std::isalpha(static_cast<unsigned char>(text.back())) != 0) text += '.';
  roff.Paragraph(text);
}

void WriteCommand(const CLI::App& command, const CLI::App& program, Roff& roff) {
  roff.Subheading(UsageOf(command, program));
  WriteSentence(command.get_description(), roff);
  for (const bool arguments : {true, false}) {
    for (const CLI::Option* option : OptionsOf(command, &program)) {
      if (IsArgument(option) == arguments) WriteOption(option, roff);
    }
  }
  for (const Section& section : ReadText(command.get_footer())) {
    if (!section.title.empty() && TitleOnPage(section.title) != "Examples")
      roff.Paragraph(section.title + ":");
    roff.Blocks(section.blocks);
  }
}

void WriteCommands(const CLI::App& app, Roff& roff) {
  const auto commands = CommandsOf(app);
  if (commands.empty()) return;
  roff.Heading("Commands");
  std::vector<std::string> groups;
  for (const CLI::App* command : commands) {
    if (std::find(groups.begin(), groups.end(), command->get_group()) == groups.end())
      groups.push_back(command->get_group());
  }
  for (const std::string& group : groups) {
    for (const CLI::App* command : commands) {
      if (command->get_group() == group) WriteCommand(*command, app, roff);
    }
  }
}

void WriteSynopsis(const CLI::App& app, Roff& roff) {
  roff.Heading("Synopsis");
  std::string line = Roff::Literal(app.get_name()) + " [" + Roff::Placeholder("OPTION") + "]...";
  for (const CLI::Option* option : OptionsOf(app, nullptr)) {
    if (option->get_required() && !IsArgument(option))
      line += " " + Roff::Literal("--" + option->get_lnames().front()) + " " + ValueOf(option);
  }
  if (!CommandsOf(app).empty())
    line += " " + Roff::Placeholder("COMMAND") + " [" + Roff::Placeholder("ARGUMENT") + "]...";
  roff.Raw(line);
}

}  // namespace

std::string ProgramPage(const CLI::App& app, const Page& page) {
  Roff roff = Begin(app.get_name(), page);
  WriteSynopsis(app, roff);
  roff.Heading("Description");
  roff.Paragraph(app.get_description());
  Sections sections;
  AddSections(page, sections);
  for (const Section& section : ReadText(app.get_footer())) {
    if (section.title.empty()) {
      roff.Blocks(section.blocks);
    } else {
      sections.Add(TitleOnPage(section.title), section.blocks);
    }
  }
  roff.Heading("Options");
  WriteOptions(OptionsOf(app, nullptr), roff);
  WriteCommands(app, roff);
  sections.WriteTo(roff);
  return roff.source();
}

std::string PlainPage(const std::string& name, const Page& page) {
  Roff roff = Begin(name, page);
  Sections sections;
  AddSections(page, sections);
  sections.WriteTo(roff);
  return roff.source();
}

void AddManFlag(CLI::App& app, Page page) {
  app.add_flag_callback(
         "--man", [&app, page = std::move(page)] { throw CLI::CallForVersion(ProgramPage(app, page), 0); })
      ->group("");
}

}  // namespace shmemd::manual
