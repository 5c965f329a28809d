# C without Python: the tests of tests/c in several variants, and librtcengine. Included by the Makefile.
#   build/c/VARIANT/        objects, libcore.a with all of csrc, libhelp.a with what tests share, tests/X_test, attack/X_test,
#                           sim/X_test
#   build/lib/              librtcengine.so .a .pc include/rtcengine.h
C_LAYERS := base wire wire/payload proto engine io codec sim
C_SOURCES := $(sort $(wildcard $(C_LAYERS:%=csrc/%/*.c)))
C_TESTS := $(sort $(wildcard tests/c/*_test.c))
C_ATTACKS := $(sort $(wildcard tests/attack/*_test.c))
C_SIMS := $(sort $(wildcard tests/sim/*_test.c))
C_HELPERS := $(filter-out $(C_TESTS),$(sort $(wildcard tests/c/*.c)))
C_INCLUDE := -Icsrc -Icsrc/include
C_STRICT := -std=c11 -Wall -Wextra -Wconversion -Wshadow -Werror
C_LIBS := -lssl -lcrypto -pthread -lm
# Batched ciphers, where the machine has them (Debian, Ubuntu: libipsec-mb-dev). `make IPSEC_MB=` in a clean tree leaves them out.
IPSEC_MB := $(shell $(CC) -fsyntax-only tools/ipsec_mb.c 2>/dev/null && echo yes)
ifeq ($(IPSEC_MB),yes)
C_INCLUDE += -DRTC_HAVE_IPSEC_MB=1
C_LIBS += -lIPSec_MB
endif
# VP8, VP9 and AV1 whose rate changes while they run (libvpx-dev, libaom-dev); likewise. Each library is loaded when it is needed, by the
# name of the one that the headers belong to; the tests decode with it.
VPX := $(shell tools/soname.sh vpx $(CC))
AOM := $(shell tools/soname.sh aom $(CC))
ifneq ($(VPX),)
C_INCLUDE += -DRTC_HAVE_VPX=1 -DRTC_VPX_SONAME='"$(VPX)"'
C_CODEC_LIBS += -lvpx
endif
ifneq ($(AOM),)
C_INCLUDE += -DRTC_HAVE_AOM=1 -DRTC_AOM_SONAME='"$(AOM)"'
C_CODEC_LIBS += -laom
endif

C_FLAGS_plain := -O2 -g
C_FLAGS_asan := -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all
C_FLAGS_tsan := -O1 -g -fno-omit-frame-pointer -fsanitize=thread

# The path of an object holds its flags' variant; this file is a prerequisite, so that a change of flags rebuilds.
define c_variant
build/c/$(1)/%.o: %.c tools/c.mk
	@mkdir -p $$(@D)
	$$(CC) $$(C_STRICT) $$(C_FLAGS_$(1)) $$(C_INCLUDE) -MMD -MP -c $$< -o $$@

build/c/$(1)/libcore.a: $$(C_SOURCES:%.c=build/c/$(1)/%.o)
	@mkdir -p $$(@D)
	@rm -f $$@
	$$(AR) rcs $$@ $$^

build/c/$(1)/libhelp.a: $$(C_HELPERS:%.c=build/c/$(1)/%.o)
	@mkdir -p $$(@D)
	@rm -f $$@
	$$(AR) rcs $$@ $$^

build/c/$(1)/tests/%: build/c/$(1)/tests/c/%.o build/c/$(1)/libhelp.a build/c/$(1)/libcore.a
	@mkdir -p $$(@D)
	$$(CC) $$(C_FLAGS_$(1)) $$^ $$(C_LIBS) $$(C_CODEC_LIBS) -o $$@

build/c/$(1)/tests/attack/%.o build/c/$(1)/tests/sim/%.o: C_INCLUDE += -Itests/c

build/c/$(1)/attack/%: build/c/$(1)/tests/attack/%.o build/c/$(1)/libhelp.a build/c/$(1)/libcore.a
	@mkdir -p $$(@D)
	$$(CC) $$(C_FLAGS_$(1)) $$^ $$(C_LIBS) $$(C_CODEC_LIBS) -o $$@

build/c/$(1)/sim/%: build/c/$(1)/tests/sim/%.o build/c/$(1)/libhelp.a build/c/$(1)/libcore.a
	@mkdir -p $$(@D)
	$$(CC) $$(C_FLAGS_$(1)) $$^ $$(C_LIBS) $$(C_CODEC_LIBS) -o $$@

# With -k a test that does not build leaves the others to run.
.PHONY: c-tests-$(1) c-attacks-$(1)
c-tests-$(1): $$(C_TESTS:tests/c/%.c=build/c/$(1)/tests/%)
c-attacks-$(1): $$(C_ATTACKS:tests/attack/%.c=build/c/$(1)/attack/%)
.SECONDARY: $$(patsubst %.c,build/c/$(1)/%.o,$$(C_TESTS) $$(C_ATTACKS) $$(C_SIMS))
-include $$(patsubst %.c,build/c/$(1)/%.d,$$(C_SOURCES) $$(C_TESTS) $$(C_ATTACKS) $$(C_SIMS) $$(C_HELPERS))
endef
$(foreach variant,plain asan tsan,$(eval $(call c_variant,$(variant))))

# The library: no simulator, no codec, only what rtcengine.h marks is exported. Users' compilers differ: no -Werror.
LIB_SOURCES := $(filter-out csrc/sim/% csrc/codec/%,$(C_SOURCES))
LIB_OBJECTS := $(LIB_SOURCES:%.c=build/c/lib/%.o)
LIB_FLAGS := -std=c11 -O2 -fPIC -fvisibility=hidden -fstack-protector-strong -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2
LIB_SONAME := librtcengine.so.0
LIB_LINK := -shared -Wl,-soname,$(LIB_SONAME) -Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack -Wl,-z,defs
LIB_VERSION = $(shell sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)

build/c/lib/%.o: %.c tools/c.mk
	@mkdir -p $(@D)
	$(CC) $(LIB_FLAGS) $(CFLAGS) $(C_INCLUDE) -MMD -MP -c $< -o $@

build/lib/librtcengine.a: $(LIB_OBJECTS)
	@mkdir -p $(@D)
	@rm -f $@
	$(AR) rcs $@ $^

build/lib/librtcengine.so: $(LIB_OBJECTS)
	@mkdir -p $(@D)
	$(CC) $(LIB_LINK) $(LDFLAGS) $^ $(C_LIBS) -o $(@D)/$(LIB_SONAME)
	ln -sf $(LIB_SONAME) $@

# Found from where the file lies, so the folder may be moved as a whole.
build/lib/librtcengine.pc: pyproject.toml tools/c.mk
	@mkdir -p $(@D)
	@printf '%s\n' 'prefix=$${pcfiledir}' 'Name: librtcengine' 'Description: WebRTC media engine' \
	  'Version: $(LIB_VERSION)' 'Libs: -L$${prefix} -lrtcengine' 'Libs.private: $(C_LIBS)' \
	  'Requires.private: libssl >= 3.0, libcrypto >= 3.0' 'Cflags: -I$${prefix}/include' >$@

build/lib/include/rtcengine.h: csrc/include/rtcengine.h
	@mkdir -p $(@D)
	cp $< $@

-include $(LIB_OBJECTS:.o=.d)
LIB_FILES := $(addprefix build/lib/,librtcengine.a librtcengine.so librtcengine.pc include/rtcengine.h)
