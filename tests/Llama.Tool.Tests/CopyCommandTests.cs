using Llama.Model.Checkpoints;
using Llama.Tests;

namespace Llama.Tool.Tests;

public sealed class CopyCommandTests : IDisposable
{
    private readonly TemporaryFolder folder = new();
    private readonly TestConsole console = new();

    public void Dispose()
    {
        folder.Dispose();
        console.Dispose();
    }

    [Fact]
    public void Run_Layers_SaysWhatWasCopiedAndWhatWasThere()
    {
        Run("1-3");
        Assert.Contains($"Layers 1 to 2 are in {folder["out"]}: 1 weight files", console.Output, StringComparison.Ordinal);
        Run(null);
        Assert.Contains($"All layers are in {folder["out"]}: 1 weight files", console.Output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("3-1")]
    [InlineData("0-7")]
    public void Run_LayersThatAreNotThere_Throws(string layers)
        => Assert.Contains("has no layers", Assert.Throws<CheckpointException>(() => Run(layers)).Message, StringComparison.Ordinal);

    private void Run(string? layers) => CopyCommand.Run(
        new CopyOptions { Model = TestPaths.TinyStories, Layers = layers, Out = folder["out"] }, console.Display, TestContext.Current.CancellationToken);
}
