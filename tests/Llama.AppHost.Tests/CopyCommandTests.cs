using Llama.Tests;

namespace Llama.AppHost.Tests;

public sealed class CopyCommandTests : IDisposable
{
    private readonly TemporaryFolder folder = new();
    private readonly StringWriter output = new();
    private readonly StringWriter error = new();

    private static CancellationToken TestEnds => TestContext.Current.CancellationToken;

    public void Dispose()
    {
        folder.Dispose();
        output.Dispose();
        error.Dispose();
    }

    [Fact]
    public void Run_Layers_SaysWhatWasCopiedAndWhatWasThere()
    {
        Assert.Equal(0, Run("1-3", TestEnds));
        Assert.Contains($"Layers 1 to 2 are in {folder["out"]}: 1 weight files", output.ToString(), StringComparison.Ordinal);
        Assert.Equal("", error.ToString());
        Assert.Equal(0, Run(null, TestEnds));
        Assert.Contains($"All layers are in {folder["out"]}: 1 weight files", output.ToString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("3-1")]
    [InlineData("0-7")]
    public void Run_LayersThatAreNotThere_ExitsWithOne(string layers)
    {
        Assert.Equal(1, Run(layers, TestEnds));
        Assert.Contains("has no layers", error.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void Run_Interrupted_SaysHowToGoOn()
    {
        using var interrupted = new CancellationTokenSource();
        interrupted.Cancel();
        Assert.Equal(1, Run("0-6", interrupted.Token));
        Assert.Equal($"Interrupted; the same command goes on from here.{Environment.NewLine}", error.ToString());
    }

    private int Run(string? layers, CancellationToken cancellationToken) => CopyCommand.Run(
        new CopyOptions { Model = ShippedModel.Find()!, Layers = layers, Out = folder["out"] }, output, error, TimeProvider.System, cancellationToken);
}
