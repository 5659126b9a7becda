using System.Runtime.Versioning;

// A lab has the machine for itself: two at once would only make each other slow.
[assembly: CollectionBehavior(DisableTestParallelization = true)]
[assembly: SupportedOSPlatform("linux")]
