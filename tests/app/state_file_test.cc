// What is written down of attached back-ends: its text, what is taken for it, and what is not.
#include "server/app/state_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>
#include <sstream>

namespace shmemd::app {
namespace {

using state::BackendSpec;
using testing::HasSubstr;
using testing::IsEmpty;

std::vector<BackendSpec> Samples() {
  BackendSpec gpu;
  gpu.id = "gpu0";
  gpu.backend_socket = "/run/a \"quoted\" \\ path\twith\neverything \xc3\xa9 # : {} .sock";
  gpu.origin = state::Origin::kRpc;
  BackendSpec cam = gpu;
  cam.id = "0";  // would be a number without quotes
  cam.backend_socket = "/run/cam0.sock";
  cam.mode = state::Mode::kProbe;
  BackendSpec media;
  media.id = "media0";
  media.mode = state::Mode::kRelay;
  media.origin = state::Origin::kRpc;
  media.frontend_socket = "/run/vm.sock";
  media.backend_socket = "/run/media0.sock";
  BackendSpec other = media;
  other.id = "other";
  other.frontend_socket = "/run/vm2.sock";
  other.backend_socket = "/run/other.sock";
  other.frontend_role = state::SocketRole::kConnect;
  other.backend_role = state::SocketRole::kListen;
  other.query = state::Query::kInject;
  other.guard = state::Guard::kProtect;
  other.on_backend_missing = state::OnBackendMissing::kRefuse;
  other.socket_mode = 0;
  other.socket_owner = 107;
  other.socket_group = 4294967294;
  return {gpu, cam, media, other};
}

class TempDirectory {
 public:
  TempDirectory() {
    char name[] = "/tmp/shmemd-state-XXXXXX";
    path_ = mkdtemp(name);
  }
  ~TempDirectory() { std::filesystem::remove_all(path_); }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

std::string TextOf(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

StateFile::Contents Read(const StateFile& file) {
  absl::StatusOr<StateFile::Contents> contents = file.Read();
  EXPECT_TRUE(contents.ok()) << contents.status();
  return contents.ok() ? *std::move(contents) : StateFile::Contents{};
}

// The samples as text, with a change and a checksum that fits: what another shmemd may have written.
std::string ChangedText(const std::string& from, const std::string& to) {
  std::string text = StateText(Samples());
  text.replace(text.find(from), from.size(), to);
  text.resize(text.rfind("# end"));
  return text + EndOfStateText(text);
}

TEST(StateText, IsReadBackAsItWasWritten) {
  const auto read = ParseStateText(StateText(Samples()));
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->backends, Samples());
  const auto none = ParseStateText(StateText({}));
  ASSERT_TRUE(none.ok()) << none.status();
  EXPECT_THAT(none->backends, IsEmpty());
}

// Files of releases before are read for ever: this text may only be added to.
TEST(StateText, IsTheSameAsEver) {
  constexpr char kText[] =
      "version: 1\n"
      "# The back-ends that AttachBackend attached. Written anew by shmemd with each change; not to be "
      "edited.\n"
      "backends:\n"
      "  - id: \"gpu0\"\n"
      "    mode: frontend\n"
      "    backend: {connect: \"/run/gpu0.sock\"}\n"
      "  - id: \"media0\"\n"
      "    mode: relay\n"
      "    frontend: {listen: \"/run/vm.sock\"}\n"
      "    backend: {connect: \"/run/media0.sock\"}\n"
      "    query: snoop\n"
      "    guard: warn\n"
      "    on_backend_missing: wait\n"
      "    socket_mode: \"0660\"\n"
      "    socket_owner: \"107\"\n"
      "# end, checksum 7f6ee289eabac1a2\n";
  std::vector<BackendSpec> backends = {Samples()[0], Samples()[2]};
  backends[0].backend_socket = "/run/gpu0.sock";
  backends[1].socket_owner = 107;
  EXPECT_EQ(StateText(backends), kText);
  const auto read = ParseStateText(kText);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->backends, backends);
}

TEST(StateText, TornAnywhereItIsRefused) {
  const std::string text = StateText(Samples());
  for (size_t bytes = 0; bytes < text.size(); ++bytes)
    EXPECT_FALSE(ParseStateText(text.substr(0, bytes)).ok()) << bytes << " of " << text.size();
}

TEST(StateText, WithAnyByteChangedItIsRefused) {
  const std::string text = StateText(Samples());
  for (size_t at = 0; at < text.size(); ++at) {
    std::string changed = text;
    changed[at] = static_cast<char>(changed[at] ^ 0x01);
    EXPECT_FALSE(ParseStateText(changed).ok()) << at;
  }
}

TEST(StateText, RandomBytesAreRefusedAlsoBehindAGoodBeginning) {
  std::minstd_rand random(7);
  const std::string good = StateText(Samples());
  for (int i = 0; i < 20'000; ++i) {
    std::string text = good.substr(0, random() % 2 == 0 ? 0 : random() % good.size());
    const size_t more = random() % 200;
    for (size_t n = 0; n < more; ++n) text.push_back(static_cast<char>(random()));
    EXPECT_FALSE(ParseStateText(text).ok());
  }
}

// An entry that makes no sense is left out, and costs none of the others.
TEST(StateText, EntriesAreCheckedAsThoseOfTheConfiguration) {
  const std::tuple<std::string, std::string, std::string, size_t> cases[] = {
      {"mode: probe", "mode: prob", "backends[1].mode: expected relay, frontend or probe", 1},
      {"id: \"media0\"", "id: \"MEDIA\"", "backends[2]: expected an id", 2},
      {"id: \"media0\"", "id: \"gpu0\"", "named twice", 2},
      {"/run/media0.sock", "media0.sock", "expected the absolute path", 2},
      {"/run/media0.sock", "/run/cam0.sock", "have the same socket", 2},
      {"query: snoop", "qwery: snoop", "no such key", 2},
      {"backends:\n", "backends:\n  - odd\n", "backends[0]: expected keys and values", 4},
  };
  for (const auto& [from, to, reason, missing] : cases) {
    const auto read = ParseStateText(ChangedText(from, to));
    ASSERT_TRUE(read.ok()) << read.status();
    ASSERT_EQ(read->left_out.size(), 1u) << to;
    EXPECT_THAT(read->left_out[0], HasSubstr(reason));
    std::vector<BackendSpec> expected = Samples();
    if (missing < expected.size()) expected.erase(expected.begin() + static_cast<std::ptrdiff_t>(missing));
    EXPECT_EQ(read->backends, expected) << to;
  }
  const auto read = ParseStateText(ChangedText("backends:\n", "backends: {}\n"));
  ASSERT_FALSE(read.ok());
  EXPECT_THAT(std::string(read.status().message()), HasSubstr("line "));
}

TEST(StateFileTest, AFileWithAnOddEntryIsKeptBesideOnce) {
  const TempDirectory directory;
  const std::string path = directory.path() + "/attached.yaml";
  const auto file = StateFile::Open(directory.path());
  ASSERT_TRUE(file.ok());
  const std::string text = ChangedText("query: snoop", "qwery: snoop");
  std::ofstream(path) << text;
  EXPECT_THAT(Read(**file).left_out, testing::Contains(HasSubstr("is kept as " + path + ".aside-1")));
  const StateFile::Contents contents = Read(**file);
  EXPECT_THAT(contents.left_out, testing::Contains(HasSubstr("kept beside already")));
  EXPECT_EQ(contents.backends.size(), 3u);
  EXPECT_EQ(contents.set_aside, "");
  ASSERT_EQ((*file)->Write(contents.backends), absl::OkStatus());
  EXPECT_EQ(TextOf(path + ".aside-1"), text);
  EXPECT_FALSE(std::filesystem::exists(path + ".aside-2"));
}

// It is a good file: want of descriptors says nothing about it.
TEST(StateFileTest, AFileThatCannotBeReadNowStaysWhereItIs) {
  const TempDirectory directory;
  const auto file = StateFile::Open(directory.path());
  ASSERT_TRUE(file.ok());
  ASSERT_EQ((*file)->Write(Samples()), absl::OkStatus());
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  const rlimit none{0, before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
  const absl::Status failed = (*file)->Read().status();
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_THAT(std::string(failed.message()),
              testing::AllOf(HasSubstr(directory.path() + "/attached.yaml"), HasSubstr("EMFILE")));
  EXPECT_EQ(Read(**file).backends, Samples());
}

TEST(StateFileTest, HoldsWhatWasWrittenLast) {
  const TempDirectory directory;
  const std::string where = directory.path() + "/a/b";
  {
    const auto file = StateFile::Open(where);
    ASSERT_TRUE(file.ok()) << file.status();
    EXPECT_THAT(Read(**file).backends, IsEmpty());
    EXPECT_EQ((*file)->Write(Samples()), absl::OkStatus());
    EXPECT_EQ((*file)->Write({Samples()[0]}), absl::OkStatus());
    EXPECT_EQ(Read(**file).backends, std::vector<BackendSpec>{Samples()[0]});
    EXPECT_EQ(StateFile::Open(where).status().code(), absl::StatusCode::kFailedPrecondition)
        << "it is locked";
  }
  struct stat facts {};
  ASSERT_EQ(stat((where + "/attached.yaml").c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 07777, 0600u);
  ASSERT_EQ(stat(where.c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 07777, 0700u);
  const auto again = StateFile::Open(where);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(Read(**again).backends, std::vector<BackendSpec>{Samples()[0]});
}

TEST(StateFileTest, WhatWasLeftHalfWrittenIsNeverRead) {
  const TempDirectory directory;
  std::ofstream(directory.path() + "/attached.yaml.new") << StateText(Samples());
  const auto file = StateFile::Open(directory.path());
  ASSERT_TRUE(file.ok());
  EXPECT_THAT(Read(**file).backends, IsEmpty());
  EXPECT_FALSE(std::filesystem::exists(directory.path() + "/attached.yaml.new"));
}

TEST(StateFileTest, WhatIsNotOursIsSetAsideUnchangedAndSeveralAreKept) {
  const TempDirectory directory;
  const std::string path = directory.path() + "/attached.yaml";
  const auto file = StateFile::Open(directory.path());
  ASSERT_TRUE(file.ok());
  for (int i = 1; i <= 3; ++i) {
    const std::string text = "other " + std::to_string(i);
    std::ofstream(path) << text;
    const StateFile::Contents contents = Read(**file);
    EXPECT_THAT(contents.backends, IsEmpty());
    const std::string where = path + ".aside-" + std::to_string(i);
    EXPECT_THAT(contents.set_aside, HasSubstr("set aside as " + where));
    EXPECT_EQ(TextOf(where), text);
    EXPECT_FALSE(std::filesystem::exists(path));
  }
  // A pipe would be waited for.
  ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
  EXPECT_THAT(Read(**file).set_aside, HasSubstr("expected a plain file"));
  std::ofstream(path) << StateText(Samples());
  ASSERT_EQ(chmod(path.c_str(), 0622), 0);
  EXPECT_THAT(Read(**file).set_aside, HasSubstr("others than its owner may write to it"));
}

// A disk that is full, as far as a test can have one.
TEST(StateFileTest, AFailedWriteLeavesTheOldFile) {
  const TempDirectory directory;
  const auto file = StateFile::Open(directory.path());
  ASSERT_TRUE(file.ok());
  ASSERT_EQ((*file)->Write(Samples()), absl::OkStatus());
  std::filesystem::create_directory(directory.path() + "/attached.yaml.new");
  std::ofstream(directory.path() + "/attached.yaml.new/x") << "x";
  const absl::Status failed = (*file)->Write({});
  EXPECT_FALSE(failed.ok());
  EXPECT_THAT(std::string(failed.message()), HasSubstr(directory.path() + "/attached.yaml.new"));
  EXPECT_EQ(Read(**file).backends, Samples());
}

}  // namespace
}  // namespace shmemd::app
