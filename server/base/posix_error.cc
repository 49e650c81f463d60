#include "server/base/posix_error.h"

#include <absl/strings/str_cat.h>
#include <string.h>

#include <string>

namespace shmemd::base {

std::string_view PosixErrorName(int error_number) {
  const char* name = strerrorname_np(error_number);
  return name != nullptr ? name : "unknown errno";
}

absl::Status PosixError(int error_number, std::string_view what) {
  const char* text = strerrordesc_np(error_number);
  const std::string_view name = PosixErrorName(error_number);
  return absl::Status(absl::ErrnoToStatusCode(error_number),
                      absl::StrCat(absl::string_view(what.data(), what.size()), ": ",
                                   text != nullptr ? text : "unknown error", " (",
                                   absl::string_view(name.data(), name.size()), ")"));
}

}  // namespace shmemd::base
