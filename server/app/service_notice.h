// What whoever started the process as a service wants to know of it, as sd_notify(3) describes: one datagram
// to the socket that NOTIFY_SOCKET names. Main's thread; without the variable nothing happens, and an error
// is nobody's loss but theirs, so that it is only logged.
#pragma once

#include <cstdint>
#include <string_view>

namespace shmemd::app {

// It serves. `status`: a line for people (systemctl status).
void NoticeReady(std::string_view status);
// It reads its configuration again, until NoticeReady.
void NoticeReloading();
// It ends, which may take so long.
void NoticeStopping(int64_t at_most_ms);

}  // namespace shmemd::app
