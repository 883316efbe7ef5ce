using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Llama.Tests;

namespace Llama.Model.Tests.Layers;

/// <summary>
/// The kernels must compute the same bits on every processor. The runtime can be told to forget what this one has: a second process,
/// told so, runs the same tests' executable and writes down what it computed.
/// </summary>
public sealed class ProcessorTests
{
    private const string TargetVariable = "LLAMA_TEST_COMPUTED_BITS_FILE";

    [Theory]
    [InlineData("DOTNET_EnableHWIntrinsic", "0", "")]
    [InlineData("DOTNET_EnableAVX2", "0", "128")]
    [InlineData("DOTNET_EnableAVX512", "0", "128 256 FMA")]
    [InlineData("DOTNET_EnableAVXVNNI", "0", null)]
    [InlineData("DOTNET_EnableAVX512 DOTNET_EnableAVXVNNI", "0", "128 256 FMA")]
    [InlineData("DOTNET_PreferredVectorBitWidth", "128", "128 FMA")]
    [InlineData("DOTNET_TieredCompilation", "0", null)]
    public async Task ComputedBits_RuntimeToldToForget_AreThoseOfThisProcess(string settings, string value, string? vectors)
    {
        Assert.SkipUnless(vectors is null or "" || Vector256.IsHardwareAccelerated, "This processor has no AVX2 to forget.");
        using var folder = new TemporaryFolder();
        string target = folder["computed.txt"];

        Dictionary<string, string> environment = settings.Split(' ').ToDictionary(setting => setting, _ => value);
        environment[TargetVariable] = target;

        string output = await RunSelfAsync(environment);

        Assert.True(File.Exists(target), output);
        string[] computed = await File.ReadAllLinesAsync(target, TestContext.Current.CancellationToken);
        Assert.Equal(vectors ?? Vectors(), computed[0]);
        Assert.Equal(ThisProcess.Value, computed[1]);
    }

    /// <summary>What the second process runs.</summary>
    [Fact(Explicit = true)]
    public void ComputedBits_AskedForByAnotherProcess_AreWrittenDown()
    {
        string target = Environment.GetEnvironmentVariable(TargetVariable)!;
        File.WriteAllLines(target, [Vectors(), ComputedBits.Digest()]);
    }

    private static Lazy<string> ThisProcess { get; } = new(ComputedBits.Digest);

    /// <summary>Which vectors the runtime computes in hardware.</summary>
    private static string Vectors() => string.Join(' ', new[]
    {
        Vector128.IsHardwareAccelerated ? "128" : null,
        Vector256.IsHardwareAccelerated ? "256" : null,
        Vector512.IsHardwareAccelerated ? "512" : null,
        Fma.IsSupported ? "FMA" : null,
    }.Where(name => name is not null));

    private static async Task<string> RunSelfAsync(Dictionary<string, string> environment)
    {
        string assembly = typeof(ProcessorTests).Assembly.Location;
        string dotnet = Path.GetFullPath(Path.Combine(RuntimeEnvironment.GetRuntimeDirectory(), "..", "..", "..", "dotnet"));
        string method = $"{typeof(ProcessorTests).FullName}.{nameof(ComputedBits_AskedForByAnotherProcess_AreWrittenDown)}";
        var start = new ProcessStartInfo(dotnet, ["exec", assembly, "-method", method, "-explicit", "only"])
        {
            RedirectStandardOutput = true,
        };
        foreach ((string name, string value) in environment) start.Environment[name] = value;
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        deadline.CancelAfter(TimeSpan.FromMinutes(2));
        using Process process = Process.Start(start)!;
        try
        {
            string output = await process.StandardOutput.ReadToEndAsync(deadline.Token);
            await process.WaitForExitAsync(deadline.Token);
            return output;
        }
        finally
        {
            if (!process.HasExited) process.Kill();
        }
    }
}
