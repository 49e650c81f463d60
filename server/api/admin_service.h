// ShmemAdmin as gRPC's callback API wants it, for the admin socket; and its stand-in for all other listeners.
#pragma once

#include <string>
#include <utility>

#include "server/api/backend_roster.h"
#include "server/api/command_router.h"
#include "server/api/replica_reader.h"
#include "vhost/shmem/v1/admin.grpc.pb.h"

namespace shmemd::api {

namespace v1 = ::vhost::shmem::v1;

// Passes what is asked for to the movers or the roster, and answers when it is done.
class AdminService final : public v1::ShmemAdmin::CallbackService {
 public:
  // `roster` outlives the service; without one AttachBackend and DetachBackend are UNIMPLEMENTED.
  AdminService(ReplicaReader reader, CommandRouter router, BackendRoster* roster)
      : reader_(std::move(reader)), router_(std::move(router)), roster_(roster) {}

  grpc::ServerUnaryReactor* RefreshBackend(grpc::CallbackServerContext* context,
                                           const v1::RefreshBackendRequest* request,
                                           v1::Backend* response) override;
  grpc::ServerUnaryReactor* AttachBackend(grpc::CallbackServerContext* context,
                                          const v1::AttachBackendRequest* request,
                                          v1::Backend* response) override;
  grpc::ServerUnaryReactor* DetachBackend(grpc::CallbackServerContext* context,
                                          const v1::DetachBackendRequest* request,
                                          v1::DetachBackendResponse* response) override;
  grpc::ServerUnaryReactor* ResetRegionPeaks(grpc::CallbackServerContext* context,
                                             const v1::ResetRegionPeaksRequest* request,
                                             v1::ResetRegionPeaksResponse* response) override;
  grpc::ServerUnaryReactor* ProbeBackend(grpc::CallbackServerContext* context,
                                         const v1::ProbeBackendRequest* request,
                                         v1::ProbeReport* response) override;

 private:
  ReplicaReader reader_;
  CommandRouter router_;
  BackendRoster* roster_;
};

// Answers every call with PERMISSION_DENIED and says where it would be served.
class AdminRefusal final : public v1::ShmemAdmin::CallbackService {
 public:
  explicit AdminRefusal(std::string admin_socket) : admin_socket_(std::move(admin_socket)) {}

  grpc::ServerUnaryReactor* RefreshBackend(grpc::CallbackServerContext* context,
                                           const v1::RefreshBackendRequest* request,
                                           v1::Backend* response) override;
  grpc::ServerUnaryReactor* AttachBackend(grpc::CallbackServerContext* context,
                                          const v1::AttachBackendRequest* request,
                                          v1::Backend* response) override;
  grpc::ServerUnaryReactor* DetachBackend(grpc::CallbackServerContext* context,
                                          const v1::DetachBackendRequest* request,
                                          v1::DetachBackendResponse* response) override;
  grpc::ServerUnaryReactor* ResetRegionPeaks(grpc::CallbackServerContext* context,
                                             const v1::ResetRegionPeaksRequest* request,
                                             v1::ResetRegionPeaksResponse* response) override;
  grpc::ServerUnaryReactor* ProbeBackend(grpc::CallbackServerContext* context,
                                         const v1::ProbeBackendRequest* request,
                                         v1::ProbeReport* response) override;

 private:
  grpc::ServerUnaryReactor* Refuse(grpc::CallbackServerContext* context, const char* method) const;

  std::string admin_socket_;
};

}  // namespace shmemd::api
