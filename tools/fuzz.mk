# Fuzzing: each tests/fuzz/X_fuzz.c as a program of two engines, with the address and undefined-behaviour sanitizers. Included
# by the Makefile; tests/fuzz/runner.py starts them.
#   build/fuzz/clang/X   libFuzzer (where clang and its runtime are installed)
#   build/fuzz/gcc/X     tests/fuzz/driver.c
FUZZ_CLANG ?= clang
# planted is a test of the engines.
FUZZ_TARGETS := $(filter-out planted,$(sort $(patsubst tests/fuzz/%_fuzz.c,%,$(wildcard tests/fuzz/*_fuzz.c))))
FUZZ_SOURCES := $(filter csrc/base/% csrc/wire/% csrc/proto/% csrc/engine/%,$(C_SOURCES))
FUZZ_FLAGS := -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all
FUZZ_CC_clang = $(FUZZ_CLANG)
FUZZ_CC_gcc = $(CC)
FUZZ_COVER_clang := -fsanitize=fuzzer-no-link
FUZZ_COVER_gcc := -fsanitize-coverage=trace-pc
FUZZ_LINK_clang := -fsanitize=fuzzer
FUZZ_MAIN_clang := entry
FUZZ_MAIN_gcc := entry driver

define fuzz_engine
build/fuzz/$(1)/%.o: %.c tools/fuzz.mk tools/c.mk
	@mkdir -p $$(@D)
	$$(FUZZ_CC_$(1)) $$(C_STRICT) $$(FUZZ_FLAGS) $$(FUZZ_COVER_$(1)) $$(C_INCLUDE) -Itests/c -MMD -MP -c $$< -o $$@

# What runs the inputs is not counted.
$$(FUZZ_MAIN_$(1):%=build/fuzz/$(1)/tests/fuzz/%.o): FUZZ_COVER_$(1) :=

build/fuzz/$(1)/libcore.a: $$(FUZZ_SOURCES:%.c=build/fuzz/$(1)/%.o)
	@rm -f $$@
	$$(AR) rcs $$@ $$^

build/fuzz/$(1)/%: build/fuzz/$(1)/tests/fuzz/%_fuzz.o $$(FUZZ_MAIN_$(1):%=build/fuzz/$(1)/tests/fuzz/%.o) build/fuzz/$(1)/libcore.a
	$$(FUZZ_CC_$(1)) $$(FUZZ_FLAGS) $$(FUZZ_LINK_$(1)) $$^ $$(C_LIBS) -o $$@

.PHONY: fuzz-$(1)
fuzz-$(1): $$(FUZZ_TARGETS:%=build/fuzz/$(1)/%)
.SECONDARY: $$(FUZZ_TARGETS:%=build/fuzz/$(1)/tests/fuzz/%_fuzz.o)
-include $$(patsubst %.c,build/fuzz/$(1)/%.d,$$(FUZZ_SOURCES) $$(wildcard tests/fuzz/*.c))
endef
$(foreach engine,clang gcc,$(eval $(call fuzz_engine,$(engine))))
