// TLS for a gRPC server that demands a certificate of every client and asks a CertificateStore for its own at
// each new connection. TLS 1.2 or later, as gRPC has it.
#pragma once

#include <grpcpp/security/server_credentials.h>

#include <memory>

#include "server/api/certificate_store.h"

namespace shmemd::api {

// For one listener of one server. Kept, and the store with it, until that server is gone.
std::shared_ptr<grpc::ServerCredentials> MakeTlsCredentials(const CertificateStore& store);

}  // namespace shmemd::api
