// How many processors this process may use.
#ifndef WEIGHTINIT_LIB_ENGINE_PROCESSORS_H_
#define WEIGHTINIT_LIB_ENGINE_PROCESSORS_H_

namespace weightinit {

// The processors in the affinity mask, ≥ 1.
int AvailableProcessors();

}  // namespace weightinit

#endif  // WEIGHTINIT_LIB_ENGINE_PROCESSORS_H_
