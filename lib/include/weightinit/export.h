// WEIGHTINIT_EXPORT marks what a shared library shows; everything else is hidden.
#ifndef WEIGHTINIT_EXPORT_H_
#define WEIGHTINIT_EXPORT_H_

#define WEIGHTINIT_EXPORT __attribute__((visibility("default")))

#endif  // WEIGHTINIT_EXPORT_H_
