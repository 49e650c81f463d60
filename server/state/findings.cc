#include "server/state/findings.h"

#include <absl/strings/str_cat.h>

#include <functional>
#include <optional>

#include "server/base/posix_error.h"
#include "server/state/finding_table.h"

namespace shmemd::state {
namespace {

enum class Radix : uint8_t { kDecimal, kHex, kErrno };

struct KeyRow {
  std::string_view name;
  EvidenceKey key;
  Radix radix = Radix::kDecimal;
};

constexpr KeyRow kKeys[] = {
    {"expected", EvidenceKey::kExpected},
    {"got", EvidenceKey::kGot},
    {"shmid", EvidenceKey::kShmid},
    {"shm_offset", EvidenceKey::kShmOffset, Radix::kHex},
    {"len", EvidenceKey::kLen},
    {"fd_offset", EvidenceKey::kFdOffset, Radix::kHex},
    {"flags", EvidenceKey::kFlags, Radix::kHex},
    {"fd_count", EvidenceKey::kFdCount},
    {"region_size_bytes", EvidenceKey::kRegionSizeBytes},
    {"page_size_bytes", EvidenceKey::kPageSizeBytes},
    {"file_size_bytes", EvidenceKey::kFileSizeBytes},
    {"beyond_eof_bytes", EvidenceKey::kBeyondEofBytes},
    {"inode", EvidenceKey::kInode},
    {"num_regions", EvidenceKey::kNumRegions},
    {"nonzero_size_count", EvidenceKey::kNonzeroSizeCount},
    {"highest_shmid", EvidenceKey::kHighestShmid},
    {"reply_payload_bytes", EvidenceKey::kReplyPayloadBytes},
    {"padding", EvidenceKey::kPadding, Radix::kHex},
    {"feature_bit", EvidenceKey::kFeatureBit},
    {"offered_protocol_features", EvidenceKey::kOfferedProtocolFeatures, Radix::kHex},
    {"message_id", EvidenceKey::kMessageId},
    {"error_number", EvidenceKey::kErrorNumber, Radix::kErrno},
    {"other_offset", EvidenceKey::kOtherOffset, Radix::kHex},
    {"other_len", EvidenceKey::kOtherLen},
    {"limit", EvidenceKey::kLimit},
    {"sum_bytes", EvidenceKey::kSumBytes},
};

const KeyRow* FindKey(EvidenceKey key) {
  for (const KeyRow& row : kKeys) {
    if (row.key == key) return &row;
  }
  return nullptr;
}

std::string Format(uint64_t value, Radix radix) {
  switch (radix) {
    case Radix::kHex:
      return absl::StrCat("0x", absl::Hex(value));
    case Radix::kErrno:
      return std::string(base::PosixErrorName(static_cast<int>(value)));
    case Radix::kDecimal:
      break;
  }
  return absl::StrCat(value);
}

// The number that a placeholder stands for. "shmid" is also known from what the finding is about.
std::optional<std::string> Resolve(const Finding& finding, std::string_view placeholder) {
  const bool hex = placeholder.ends_with(":x");
  if (hex) placeholder.remove_suffix(2);
  for (const Evidence& evidence : finding.evidence) {
    const KeyRow* row = FindKey(evidence.key);
    if (row != nullptr && row->name == placeholder)
      return Format(evidence.value, hex ? Radix::kHex : row->radix);
  }
  if (placeholder == "shmid" && finding.shmid >= 0) return absl::StrCat(finding.shmid);
  return std::nullopt;
}

// What stands for a placeholder, if it is known.
using Resolver = std::function<std::optional<std::string>(std::string_view)>;

// Nothing if one of its numbers is not known and `unknown` is empty; else that is said in its place.
std::optional<std::string> Fill(const Resolver& resolve, std::string_view text, std::string_view unknown) {
  std::string filled;
  while (!text.empty()) {
    const size_t open = text.find('{');
    filled.append(text.substr(0, open));
    if (open == std::string_view::npos) break;
    const size_t close = text.find('}', open);
    const std::optional<std::string> number = resolve(text.substr(open + 1, close - open - 1));
    if (!number && unknown.empty()) return std::nullopt;
    filled.append(number ? std::string_view(*number) : unknown);
    text.remove_prefix(close + 1);
  }
  return filled;
}

std::string FirstKnown(const Resolver& resolve, std::string_view choices) {
  while (true) {
    const size_t bar = choices.find('|');
    if (const auto filled = Fill(resolve, choices.substr(0, bar), {})) return *filled;
    if (bar == std::string_view::npos) return {};
    choices.remove_prefix(bar + 1);
  }
}

std::string Summary(std::string_view text, const Resolver& resolve) {
  std::string summary;
  while (!text.empty()) {
    const size_t open = text.find('[');
    summary.append(*Fill(resolve, text.substr(0, open), "?"));
    if (open == std::string_view::npos) break;
    const size_t close = text.find(']', open);
    summary.append(FirstKnown(resolve, text.substr(open + 1, close - open - 1)));
    text.remove_prefix(close + 1);
  }
  return summary;
}

}  // namespace

std::string_view FindingCodeName(FindingCode code) { return RowOf(code).name; }

Severity FindingSeverity(FindingCode code) { return RowOf(code).severity; }

std::string_view SeverityName(Severity severity) {
  switch (severity) {
    case Severity::kInfo:
      return "info";
    case Severity::kWarning:
      return "warning";
    case Severity::kError:
      return "error";
  }
  return "unknown";
}

std::string FindingSummary(const Finding& finding) {
  return Summary(RowOf(finding.code).summary,
                 [&finding](std::string_view placeholder) { return Resolve(finding, placeholder); });
}

std::string FindingPattern(FindingCode code) {
  return Summary(RowOf(code).summary, [](std::string_view placeholder) {
    return absl::StrCat("{", std::string(placeholder.substr(0, placeholder.find(':'))), "}");
  });
}

std::string_view FindingRemedy(FindingCode code) { return RowOf(code).remedy; }

std::vector<std::pair<std::string, std::string>> FindingEvidence(const Finding& finding) {
  std::vector<std::pair<std::string, std::string>> numbers;
  for (const Evidence& evidence : finding.evidence) {
    const KeyRow* row = FindKey(evidence.key);
    if (row != nullptr) numbers.emplace_back(row->name, Format(evidence.value, row->radix));
  }
  return numbers;
}

}  // namespace shmemd::state
