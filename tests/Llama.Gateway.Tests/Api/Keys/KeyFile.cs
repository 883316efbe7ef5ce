using Llama.Gateway.Api.Keys;
using Llama.Gateway.Tests.Hosting;
using Llama.Grains.Keys;
using Llama.Tests;

namespace Llama.Gateway.Tests.Api.Keys;

/// <summary>A file with one key, and gateways that want it.</summary>
internal sealed class KeyFile : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public KeyFile(Func<ApiKey, ApiKey>? limit = null)
    {
        ApiKey made = ApiKey.Create("ann", DateTimeOffset.UnixEpoch, out string key);
        (Key, Made) = (key, limit?.Invoke(made) ?? made);
        ApiKeyFile.Change(Path, _ => [Made]);
    }

    public string Path => folder["keys.json"];

    public string Key { get; }

    public ApiKey Made { get; }

    public async Task<TestGateway> StartAsync(bool cachePerKey = false, bool shows = true)
    {
        var gateway = await TestGateway.StartAsync(new TestTokenizer(), access: new ApiAccess { KeyFile = Path, CachePerKey = cachePerKey });
        if (shows) gateway.Client.DefaultRequestHeaders.Authorization = new("Bearer", Key);
        return gateway;
    }

    public void Dispose() => folder.Dispose();
}
