// A case has a name only by way of the parser that checks it.
#include "evidence/values/case_name.h"

auto named() {
#ifdef REFUSED
  return impound::CaseName{"../../etc"};
#else
  return impound::CaseName::parse("emleaks-2017");
#endif
}
