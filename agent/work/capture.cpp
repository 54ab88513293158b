#include "agent/work/capture.h"

namespace impound::agent {

fetchers::HttpRequest capture_request(Settings const& settings, fetchers::Url const& url,
                                      std::optional<fetchers::Exemption> const& exempt) {
  return {.url = url,
          .exempt = exempt,
          .certificates = true,
          .trust = settings.record_untrusted_tls ? fetchers::Trust::record : fetchers::Trust::verify,
          .http2 = settings.http2};
}

}  // namespace impound::agent
