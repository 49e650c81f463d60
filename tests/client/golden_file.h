// Text that is kept in files and looked at by people.
#pragma once

#include <string>

namespace shmemd::client {

// Fails the test unless `text` is what golden/NAME holds. With SHMEMD_UPDATE_GOLDEN set the file is written
// instead.
void ExpectGolden(const std::string& name, const std::string& text);

}  // namespace shmemd::client
