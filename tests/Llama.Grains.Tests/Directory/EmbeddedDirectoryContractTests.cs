using Llama.Grains.Directory;

namespace Llama.Grains.Tests.Directory;

public sealed class EmbeddedDirectoryContractTests : DirectoryContract, IDisposable
{
    private readonly EmbeddedDirectory directory = new(TimeProvider.System);

    protected override IDirectory Here => directory;

    protected override IDirectory There => directory;

    public void Dispose() => directory.Dispose();
}
