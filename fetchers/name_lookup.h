// The addresses of a name, as this system's resolver has them: it waits for as long as the resolver does. Any thread.
#pragma once

#include <string>
#include <vector>

#include "fetchers/ip_address.h"

namespace impound::fetchers {

/// At most 16, in the resolver's order; none when the name has none, or it cannot be told.
std::vector<IpAddress> addresses_of(std::string const& name);

}  // namespace impound::fetchers
