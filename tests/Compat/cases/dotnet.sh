# what: a .NET program: tasks, threads, garbage collection, sockets, a child process
prepare() {
	[ -e "$CACHE/dotnet/Work.dll" ] && return
	mkdir -p "$CACHE/source" && cp "$PROGRAMS"/dotnet/* "$CACHE/source" &&
		DOTNET_CLI_TELEMETRY_OPTOUT=1 dotnet build "$CACHE/source/Work.csproj" -c Release -o "$CACHE/dotnet" --nologo -v quiet --disable-build-servers
}
run() { moved dotnet "$CACHE/dotnet/Work.dll"; }
