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

    /// <summary>
    /// What every processor computed when this was written: x86-64 with vectors of 512, 256 and 128 bits and with none, and ARM64 (emulated). It changes
    /// with what <see cref="ComputedBits"/> covers; a change of the kernels that moves it needs a new kernel revision.
    /// </summary>
    private const string Recorded = "C25D78A5BDFC45713E6425EB84BDC5E8BC13D7C472B949125BA9F0B6914AC4D9";

    [Fact]
    public void ComputedBits_AnyProcessor_AreThoseOfTheOthers() => Assert.Equal(Recorded, ThisProcess.Value);

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
        Assert.SkipUnless(vectors is null || Vector256.IsHardwareAccelerated, "This processor has no AVX2 to forget.");
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
