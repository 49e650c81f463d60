// kill -9 at random while back-ends are attached and detached: after each restart what is attached is what
// was acknowledged. SHMEMD_KILL_ROUNDS says how often; the order of things is random, from a seed that is
// printed.
#include <cstdlib>
#include <random>
#include <set>
#include <thread>

#include "tests/component/admin_client.h"

namespace shmemd::component {
namespace {

int Rounds() {
  const char* rounds = std::getenv("SHMEMD_KILL_ROUNDS");
  return rounds != nullptr ? std::atoi(rounds) : 100;
}

// What a client knows of the attached set.
struct Knowledge {
  std::set<std::string> attached;
  std::set<std::string> unsure;  // asked for, and no answer came

  void Learn(const std::string& id, bool attach, bool acknowledged) {
    unsure.erase(id);
    if (!acknowledged) {
      unsure.insert(id);
    } else if (attach) {
      attached.insert(id);
    } else {
      attached.erase(id);
    }
  }
  void LookAt(const std::vector<std::string>& ids) {
    attached = {ids.begin(), ids.end()};
    unsure.clear();
  }
  // Ids that are shown and should not be, or the other way round.
  std::set<std::string> Wrong(const std::vector<std::string>& ids) const {
    const std::set<std::string> shown(ids.begin(), ids.end());
    std::set<std::string> wrong;
    std::set_symmetric_difference(shown.begin(), shown.end(), attached.begin(), attached.end(),
                                  std::inserter(wrong, wrong.begin()));
    for (const std::string& id : unsure) wrong.erase(id);
    return wrong;
  }
};

class Killer {
 public:
  explicit Killer(const std::string& directory) : directory_(directory) {}

  // A life of shmemd: looks at what is there, changes it until it is killed.
  void Round() {
    auto shmemd = std::make_unique<app::ShmemdProcess>(
        directory_ + "/run", std::vector<std::string>{"--state-dir", directory_ + "/state"});
    if (testing::Test::HasFailure()) return;
    const std::vector<std::string> ids = LookAtShown(ShmemdView(*shmemd));
    EXPECT_EQ(known_.Wrong(ids), std::set<std::string>()) << "shown: " << testing::PrintToString(ids);
    known_.LookAt(ids);
    std::thread killer([&, life = std::uniform_int_distribution<>(0, 40'000)(random_)] {
      std::this_thread::sleep_for(std::chrono::microseconds(life));
      shmemd->process().Signal(SIGKILL);
    });
    const AdminClient admin(*shmemd);
    while (Change(admin)) {
    }
    killer.join();
    shmemd->End(SIGKILL);
  }

  int acknowledged() const { return acknowledged_; }
  int unanswered() const { return unanswered_; }

 private:
  static bool IsRelay(const std::string& id) { return id.back() % 2 == 0; }

  // Each is as it was asked for. Returns the ids.
  std::vector<std::string> LookAtShown(const ShmemdView& view) const {
    std::vector<std::string> ids;
    for (const v1::Backend& backend : view.Backends()) {
      const std::string id = backend.name().substr(std::string("backends/").size());
      EXPECT_EQ(backend.mode(), IsRelay(id) ? v1::Backend::RELAY : v1::Backend::FRONTEND) << id;
      EXPECT_EQ(backend.backend_socket(), directory_ + "/" + id + ".sock");
      EXPECT_EQ(backend.frontend_socket(), IsRelay(id) ? directory_ + "/" + id + ".vm" : "");
      EXPECT_EQ(backend.origin(), v1::Backend::RPC) << id;
      ids.push_back(id);
    }
    return ids;
  }

  bool Change(const AdminClient& admin) {
    const std::string id = "b" + std::to_string(std::uniform_int_distribution<>(0, 19)(random_));
    const bool attach = !known_.attached.contains(id);
    const bool relay = IsRelay(id);
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
    grpc::Status status;
    if (attach) {
      const std::string socket = directory_ + "/" + id;
      v1::Backend backend;
      status = admin.stub().AttachBackend(
          &context,
          relay ? RelayRequest(id, socket + ".vm", socket + ".sock") : FrontendRequest(id, socket + ".sock"),
          &backend);
    } else {
      v1::DetachBackendRequest request;
      request.set_name("backends/" + id);
      v1::DetachBackendResponse response;
      status = admin.stub().DetachBackend(&context, request, &response);
    }
    known_.Learn(id, attach, status.ok());
    if (status.ok()) ++acknowledged_;
    if (!status.ok()) {
      ++unanswered_;
      EXPECT_EQ(status.error_code(), StatusCode::UNAVAILABLE) << status.error_message();
      EXPECT_EQ(ErrorInfoOf(status).reason(), "") << "nothing but the connection may fail";
    }
    return status.ok();
  }

  const std::string directory_;
  const unsigned seed_ = std::random_device{}();
  std::minstd_rand random_{seed_};
  Knowledge known_;
  int acknowledged_ = 0;
  int unanswered_ = 0;

 public:
  unsigned seed() const { return seed_; }
};

TEST(Kill, WhatIsAttachedAfterwardsIsWhatWasAcknowledged) {
  const peers::TemporaryDirectory directory;
  Killer killer(directory.path());
  SCOPED_TRACE(testing::Message() << "seed " << killer.seed());
  const int rounds = Rounds();
  for (int i = 0; i < rounds && !testing::Test::HasFailure(); ++i) killer.Round();
  EXPECT_GE(killer.acknowledged(), rounds) << "too few to prove anything";
  std::printf("%d kills: %d changes acknowledged, %d without an answer\n", rounds, killer.acknowledged(),
              killer.unanswered());
}

}  // namespace
}  // namespace shmemd::component
