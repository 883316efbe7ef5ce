using Llama.Grains.Tests.Hosting;
using Xunit.MicrosoftTestingPlatform;
using Xunit.Runner.InProc.SystemConsole;

namespace Llama.Grains.Tests;

/// <summary>The tests, or a silo for a test that needs a process of its own.</summary>
internal static class Program
{
    private static Task<int> Main(string[] args)
    {
        if (args is [SiloProcess.Command, .. string[] rest]) return SiloProcess.RunAsync(rest);
        return args.Contains("--server") || args.Contains("--internal-msbuild-node")
            ? TestPlatformTestFramework.RunAsync(args, SelfRegisteredExtensions.AddSelfRegisteredExtensions)
            : ConsoleRunner.Run(args);
    }
}
