using System.Runtime.CompilerServices;

[assembly: InternalsVisibleTo("RtService.Tests")]
