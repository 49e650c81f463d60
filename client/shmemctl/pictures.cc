#include "client/shmemctl/pictures.h"

#include <absl/strings/str_cat.h>
#include <absl/time/clock.h>
#include <absl/time/time.h>

#include <cstdio>
#include <utility>

#include "client/print/text.h"

namespace shmemd::shmemctl {

absl::StatusOr<ExitCode> Pictures::Take(const Sources& sources, const Show& show) {
  std::string text;
  std::string notes;
  std::string headline;
  if (context_.on_terminal()) context_.MeasureTerminal();
  // On a terminal notes are part of the picture; else they are not what a program reads.
  context_.Capture(&text, context_.on_terminal() ? &text : &notes, &headline);
  auto code = show(context_, sources);
  context_.Capture(nullptr, nullptr);
  if (!code.ok()) return code;
  if (context_.on_terminal()) {
    const std::string title =
        absl::FormatTime("%H:%M:%S UTC, q or Ctrl-C ends", absl::Now(), absl::UTCTimeZone());
    Draw(absl::StrCat(title, headline.empty() ? "" : "; ", headline), text);
  } else if (text != last_) {
    context_.Print(text);
  }
  if (notes != noted_ && !notes.empty()) context_.Note(notes.substr(0, notes.size() - 1));
  noted_ = std::move(notes);
  last_ = std::move(text);
  any_ = true;
  return code;
}

void Pictures::Broken(const absl::Status& status) {
  const std::string what =
      absl::StrCat("connection lost, trying again: ", DescribeError(status, context_.asked()));
  if (context_.on_terminal()) {
    Draw(what, last_);
  } else if (what != noted_) {
    context_.Note(absl::StrCat("shmemctl: ", what));
  }
  noted_ = what;
}

void Pictures::Draw(const std::string& title, const std::string& text) {
  const int columns = client::ColumnsOf(fileno(stdout));
  context_.Print(screen_.Draw(absl::StrCat(client::Wrapped("", title, columns), "\n", text),
                              client::RowsOf(fileno(stdout)), columns));
}

}  // namespace shmemd::shmemctl
