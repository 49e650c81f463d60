// Commits the sin that its argument names. A sanitizer that is silent about it is not on.
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <thread>

#include "server/base/mutex.h"

namespace shmemd::planted {
namespace {

struct Counter {
  base::Mutex mutex;
  int value = 0;
};

void Race() {
  Counter counter;
  std::thread other([&] { ++counter.value; });
  ++counter.value;
  other.join();
  std::printf("counted %d\n", counter.value);
}

// The same with our mutex: nothing may be reported.
void Locked() {
  Counter counter;
  const auto add = [&] {
    base::MutexLock lock(counter.mutex);
    ++counter.value;
  };
  std::thread other(add);
  add();
  other.join();
  std::printf("counted %d\n", counter.value);
}

void UseAfterFree() {
  auto* volatile bytes = static_cast<char*>(std::malloc(8));
  std::free(bytes);
  std::printf("read %d\n", bytes[0]);  // NOLINT(clang-analyzer-unix.Malloc)
}

void Leak() {
  void* volatile lost = std::malloc(8);
  std::printf("losing %p\n", lost);
  lost = nullptr;
}  // NOLINT(clang-analyzer-unix.Malloc)

void Overflow() {
  volatile int value = INT_MAX;
  value = value + 1;
}

}  // namespace
}  // namespace shmemd::planted

int main(int argc, char** argv) {
  namespace planted = shmemd::planted;
  const std::string_view sin = argc > 1 ? argv[1] : "";
  if (sin == "race") planted::Race();
  if (sin == "locked") planted::Locked();
  if (sin == "use_after_free") planted::UseAfterFree();
  if (sin == "leak") planted::Leak();
  if (sin == "overflow") planted::Overflow();
  return 0;
}
