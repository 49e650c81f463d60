// What was attached by RPC, written down so that it is attached again after a restart.
//
// Owned by the roster, used by one thread at a time; waits for the disk. The file is replaced as a whole, and
// is on the disk when Write returns; a reader after a crash finds the old one or the new one. What cannot be
// taken for ours is never overwritten nor believed: it is set aside.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "server/base/unique_fd.h"
#include "server/state/backend_spec.h"

namespace shmemd::app {

// The text of the file: YAML, entries as in the configuration file; the version first, a checksum of all
// before it last.
std::string StateText(const std::vector<state::BackendSpec>& backends);
// Its last line, for the text before.
std::string EndOfStateText(std::string_view text);

struct StateEntries {
  std::vector<state::BackendSpec> backends;
  std::vector<std::string> left_out;  // which entries make no sense, and why; the others hold
};
// InvalidArgument says what is wrong with the whole: another version, cut short, changed, no list of entries.
absl::StatusOr<StateEntries> ParseStateText(std::string_view text);

class StateFile {
 public:
  // Makes the directory (0700) if it is missing, and locks it. An error names it: it cannot be made, or not
  // be written to, or another shmemd uses it.
  static absl::StatusOr<std::unique_ptr<StateFile>> Open(const std::string& directory);
  StateFile(const StateFile&) = delete;
  StateFile& operator=(const StateFile&) = delete;

  struct Contents {
    std::vector<state::BackendSpec> backends;
    std::string set_aside;              // why there is nothing, and where the file is now; empty: it was read
    std::vector<std::string> left_out;  // why entries are missing; the file is kept beside, too
  };
  // Nothing where there is no file. An error names the path: the file cannot be read now, e.g. for want of
  // descriptors; it stays where it is.
  absl::StatusOr<Contents> Read() const;

  // An error says what failed, and with which path; the file is then as it was, but after a failed sync of
  // the directory it may be either: to go back, write again.
  absl::Status Write(const std::vector<state::BackendSpec>& backends) const;

 private:
  StateFile(std::string directory, base::UniqueFd directory_fd, base::UniqueFd lock)
      : directory_(std::move(directory)), directory_fd_(std::move(directory_fd)), lock_(std::move(lock)) {}
  struct Text {
    std::string text;
    std::string not_ours;  // why it was not read
  };
  absl::StatusOr<std::optional<Text>> ReadText() const;
  // Moves it, or where entries are missing only gives it a second name.
  std::string SetAside(const std::string& why) const;
  std::string KeepBeside() const;
  // A name that is free, if there is one.
  std::optional<std::string> AsideName() const;
  std::string PathOf(const std::string& name) const { return directory_ + "/" + name; }

  const std::string directory_;
  const base::UniqueFd directory_fd_;
  const base::UniqueFd lock_;
};

}  // namespace shmemd::app
