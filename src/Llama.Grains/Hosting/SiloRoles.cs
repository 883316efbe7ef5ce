namespace Llama.Grains.Hosting;

/// <summary>What silos are for.</summary>
public static class SiloRoles
{
    /// <summary>It has devices that hold layers.</summary>
    public const string Devices = "devices";

    /// <summary>It serves clients and may own pipelines; it has no devices.</summary>
    public const string Gateway = "gateway";
}
