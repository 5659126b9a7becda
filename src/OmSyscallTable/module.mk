# What is generated from the system-call table: out/gen/{om_syscalls.inc,om_syscall_filter.inc,SyscallTable.g.cs,SYSCALLS.md}. Whoever
# includes one of them depends on $(OUT)/gen/syscalls.stamp. The .NET build does the same by itself (OmProtocol.csproj).
SYSCALL_TABLE := src/OmProtocol/Syscalls/syscalls.tbl
SYSCALL_GENERATOR := $(OUT)/dotnet/bin/OmSyscallTable/release/omsyscalls.dll

$(SYSCALL_GENERATOR): $(wildcard src/OmSyscallTable/*.cs) src/OmSyscallTable/OmSyscallTable.csproj
	@$(DOTNET) build src/OmSyscallTable -c Release -v quiet --nologo
	@touch $@

$(OUT)/gen/syscalls.stamp: $(SYSCALL_GENERATOR) $(wildcard src/OmProtocol/Syscalls/*.tbl)
	@$(DOTNET) $(SYSCALL_GENERATOR) $(SYSCALL_TABLE) $(OUT)/gen

.PHONY: syscalls-page
syscalls-page: $(OUT)/gen/syscalls.stamp ## renew src/OmProtocol/Syscalls/SYSCALLS.md
	@cp $(OUT)/gen/SYSCALLS.md src/OmProtocol/Syscalls/SYSCALLS.md
