#include "server/session/pending_requests.h"

namespace shmemd::session {

AnswerRule AnswerRuleOf(vhost::Channel channel, const vhost::Header& request, const AnswerContext& context) {
  const vhost::MessageInfo* info = vhost::FindMessage(channel, request.request);
  if (info == nullptr) return request.needs_reply() ? AnswerRule::kMaybe : AnswerRule::kNone;

  const vhost::ReplyContext replies{.log_shmfd_negotiated = context.log_shmfd,
                                    .postcopy_listening = context.postcopy_listening};
  const bool asked = request.needs_reply() && context.reply_ack;
  if (info->reply_kind == vhost::ReplyKind::kAlwaysAck && !asked) return AnswerRule::kMaybe;
  const uint32_t agreed_flags = asked ? request.flags : request.flags & ~vhost::kNeedReplyFlag;
  if (vhost::ExpectsReply(*info, agreed_flags, replies)) return AnswerRule::kExpected;
  return vhost::ExpectsReply(*info, request.flags, replies) ? AnswerRule::kMaybe : AnswerRule::kNone;
}

}  // namespace shmemd::session
