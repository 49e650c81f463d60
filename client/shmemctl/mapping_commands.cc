// mappings, lookup: what is mapped, and what lies at one offset.
#include <absl/strings/numbers.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>

#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "client/print/mapping_printer.h"
#include "client/print/resource_name.h"
#include "client/print/structured.h"
#include "client/shmemctl/names.h"
#include "client/shmemctl/show.h"

namespace shmemd::shmemctl {
namespace {

namespace v1 = ::vhost::shmem::v1;

struct MappingsArguments {
  std::string target;
  std::string filter;
  std::string sort = "offset";
  bool at_risk = false;
  bool stale = false;
  bool reverse = false;
  bool watch = false;
};

std::string FilterOf(const MappingsArguments& arguments) {
  std::vector<std::string> terms;
  if (arguments.at_risk) terms.emplace_back("at_risk = true");
  if (arguments.stale) terms.emplace_back("state = STALE");
  if (!arguments.filter.empty()) terms.push_back(arguments.filter);
  return absl::StrJoin(terms, " AND ");
}

// The largest and the oldest first, as one looks for them.
std::string OrderOf(const MappingsArguments& arguments) {
  if (arguments.sort == "size") return arguments.reverse ? "length_bytes" : "length_bytes desc";
  if (arguments.sort == "age") return arguments.reverse ? "request_time desc" : "request_time";
  return "";
}

Reading<v1::ListMappingsResponse> ReadingOfMappings(const MappingsArguments& arguments,
                                                    const std::string& parent) {
  using Answer = v1::ListMappingsResponse;
  return {.ask = [parent, filter = FilterOf(arguments), order = OrderOf(arguments)](
                     const client::Client& client) { return client.ListMappings(parent, filter, order); },
          .json = [](const Answer& answer) { return client::ToJson(answer, "mappings"); },
          .print =
              [](const Context& context, const client::AnsweredList<Answer>& answers) {
                if (context.quiet()) {
                  PrintNames(context, answers, &Answer::mappings);
                } else if (!HasAny(answers, &Answer::mappings)) {
                  context.Note("no mappings");
                } else {
                  context.Print(client::RenderMappings(answers, context.style()));
                }
              }};
}

ExitCode Mappings(Context& context, const MappingsArguments& arguments) {
  const auto target = client::ParseTarget(arguments.target);
  if (!target.ok()) return context.Fail(target.status());
  if (arguments.reverse && arguments.sort == "offset") {
    return context.Fail(absl::InvalidArgumentError("--reverse goes with --sort size or --sort age"));
  }
  const std::string parent = client::RegionName(*target);
  return ReadOrWatch(context, arguments.watch, parent, ReadingOfMappings(arguments, parent));
}

struct LookupArguments {
  std::string region;
  std::string offset;
};

// Decimal, or hexadecimal after 0x.
absl::StatusOr<int64_t> ParseOffset(const std::string& text) {
  uint64_t value = 0;
  const bool hexadecimal = text.starts_with("0x") && text.size() > 2;
  const bool read = hexadecimal ? absl::SimpleHexAtoi(text, &value) : absl::SimpleAtoi(text, &value);
  if (read && value <= static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) {
    return static_cast<int64_t>(value);
  }
  return absl::InvalidArgumentError(
      absl::StrCat("OFFSET: expected bytes, decimal or hexadecimal after 0x, got ", text));
}

ExitCode Lookup(Context& context, const LookupArguments& arguments) {
  const auto target = client::ParseTarget(arguments.region);
  if (!target.ok()) return context.Fail(target.status());
  if (target->backend.empty() || !target->shmid.has_value()) {
    return context.Fail(absl::InvalidArgumentError("lookup takes one BACKEND/SHMID"));
  }
  const auto offset = ParseOffset(arguments.offset);
  if (!offset.ok()) return context.Fail(offset.status());
  auto client = context.Connect(Role::kInspector);
  if (!client.ok()) return context.Fail(client.status());
  const auto found = client->LookupMapping(client::RegionName(*target), *offset);
  if (!found.ok()) return context.Fail(found.status(), context.asked());
  if (context.structured()) {
    context.PrintMessage(*found);
  } else if (context.quiet()) {
    context.Print(client::ShortName(found->mapping().name()) + "\n");
  } else {
    context.Print(client::RenderLookup(*found, context.style()));
  }
  return ExitCode::kOk;
}

void AddMappings(CommandLine* line) {
  auto arguments = std::make_shared<MappingsArguments>();
  CLI::App* command =
      line->Add("mappings", "List what is mapped",
                "mappings\nmappings gpu0\nmappings gpu0/2 --watch\nmappings --at-risk --sort size",
                [arguments](Context& context) { return Mappings(context, *arguments); });
  command->add_option("BACKEND[/SHMID]", arguments->target, "Only of this back-end or region");
  command->add_flag("--at-risk", arguments->at_risk, "Only those that are unsafe to touch");
  command->add_flag("--stale", arguments->stale, "Only those whose owner may be gone");
  command
      ->add_option("--filter", arguments->filter,
                   "Only those that match, e.g. \"length_bytes >= 4096 AND access = READ_WRITE\"")
      ->type_name("EXPRESSION");
  command
      ->add_option("--sort", arguments->sort,
                   "By offset in the region (default), size (largest first) or age (oldest first)")
      ->check(CLI::IsMember(std::set<std::string>{"offset", "size", "age"}));
  AddWatchFlag(command, &arguments->watch);
  command->add_flag("--reverse", arguments->reverse, "Smallest or newest first");
}

void AddLookup(CommandLine* line) {
  auto arguments = std::make_shared<LookupArguments>();
  CLI::App* command = line->Add("lookup", "Show which mapping covers an offset, and where in its file it is",
                                "lookup gpu0/2 0x1800\nlookup gpu0/2 6144 -o json",
                                [arguments](Context& context) { return Lookup(context, *arguments); });
  command->add_option("BACKEND/SHMID", arguments->region, "The region")->required();
  command->add_option("OFFSET", arguments->offset, "Offset in the region, in bytes")->required();
}

}  // namespace

void AddMappingCommands(CommandLine* line) {
  AddMappings(line);
  AddLookup(line);
}

}  // namespace shmemd::shmemctl
