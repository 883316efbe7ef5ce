namespace Llama.AppHost.Tests;

public sealed class ShippedModelTests
{
    [Fact]
    public void Find_FromTheBuildOutput_FindsTheRepositorysModel()
        => Assert.True(File.Exists(Path.Combine(ShippedModel.Find()!, "params.json")));
}
