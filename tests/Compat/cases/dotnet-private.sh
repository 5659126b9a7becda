# what: a .NET program: the same with DOTNET_EnableWriteXorExecute=0, so that its code is not mapped twice
. "${BASH_SOURCE%/*}/dotnet.sh"
run() { DOTNET_EnableWriteXorExecute=0 moved dotnet "$CACHE/dotnet/Work.dll"; }
