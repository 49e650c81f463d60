// What tables call endpoints: short, and no two alike. Pure functions.
#pragma once

#include <string>
#include <vector>

namespace shmemd::client {

// For each endpoint ("unix:/run/shmemd/vm1/api.sock", "vm1.example.com:18045") what tells it from the others:
// "vm1". Folders, domains and ports that all share are left out; where that would leave nothing or two alike,
// all are as they were given. A single endpoint has an empty label.
std::vector<std::string> EndpointLabels(const std::vector<std::string>& endpoints);

}  // namespace shmemd::client
