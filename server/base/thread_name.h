// Names of threads, for top -H, gdb and whoever pins them.
#pragma once

namespace shmemd::base {

// Of the calling thread. At most 15 bytes; the kernel cuts off what is more.
void NameThisThread(const char* name);

}  // namespace shmemd::base
