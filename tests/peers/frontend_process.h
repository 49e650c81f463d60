// shmem-demo-vmm, or another front-end, as a program that a test runs.
#pragma once

#include "tests/peers/backend_process.h"

namespace shmemd::peers {

using FrontendProcess = BackendProcess;

}  // namespace shmemd::peers
