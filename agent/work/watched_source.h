// A source of the settings, ready to be watched: its profile read, its place proven. Any thread.
#pragma once

#include "agent/settings/settings.h"
#include "evidence/values/result.h"
#include "fetchers/http/address_policy.h"
#include "fetchers/sites/site_profile.h"
#include "fetchers/url.h"

namespace impound::agent {

/// A source of the settings with its profile read and its place proven, before any vault is opened.
struct WatchedSource {
  SourceSettings settings;
  fetchers::SiteProfile profile;
  fetchers::Url base;

  /// The operator's word exempts exactly this place from the address table.
  fetchers::Exemption own_place() const { return {base.host(), base.port()}; }
};

/// Reads the profile: a path that ends in .toml, else config/sites/<profile>.toml beside the program or in /etc,
/// /usr/share.
Result<WatchedSource> watched_source(SourceSettings const& settings);

}  // namespace impound::agent
