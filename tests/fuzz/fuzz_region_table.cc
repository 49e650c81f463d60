// Bytes as operations on a RegionTable, compared now and then, and at the end, with an array of bytes. The
// first byte of the input chooses where in the address space it happens.
#include <cstdio>
#include <span>
#include <string>

#include "tests/fuzz/fuzz.h"
#include "tests/state/table_script.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using shmemd::state::ByteModel;
  using shmemd::state::TableScript;
  if (size == 0) return 0;
  const uint64_t base = data[0] % 2 == 0 ? 0 : ByteModel::kTopBase;
  const std::string difference = TableScript({data + 1, size - 1}, base, 32).Run();
  if (!difference.empty()) std::fprintf(stderr, "%s\n", difference.c_str());
  shmemd::fuzz::Require(difference.empty(), "the table is what an array of bytes would be");
  return 0;
}
