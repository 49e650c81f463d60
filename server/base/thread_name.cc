#include "server/base/thread_name.h"

#include <sys/prctl.h>

namespace shmemd::base {

void NameThisThread(const char* name) { prctl(PR_SET_NAME, name); }

}  // namespace shmemd::base
