// What a site's robots.txt asks of one program (RFC 9309). A value: read once, asked often; any thread.
//
// Lenient as crawlers are: what is no line of the format is passed over. Bounded: 500 KiB are read (§2.5), of a line
// the first 2,048 bytes, and 10,000 rules; a path that takes more than 20 million steps to hold
// against them may not be asked for.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace impound::fetchers {

class Robots {
 public:
  /// Nothing is asked.
  Robots() = default;
  /// The groups that name `product` (a token as in User-Agent, in any case) together, or else those for "*" (§2.2.1).
  static Robots read(std::string_view text, std::string_view product);
  /// For a file that could not be had (a 5xx, no answer): nothing may be asked for (§2.3.1.4).
  static Robots closed();
  /// `path`: from the '/' on, with the query. The longest rule that matches decides, of two as long the one that allows
  /// (§2.2.2); /robots.txt is always allowed.
  bool allows(std::string_view path) const;

 private:
  struct Rule {
    std::string pattern;  // '*' for any bytes, '$' at its end
    bool allow = false;
  };
  std::vector<Rule> rules_;
};

}  // namespace impound::fetchers
