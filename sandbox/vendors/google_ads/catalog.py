"""The part of Google Ads' resources that the demo's account has: fields, their types and what goes with what.

Names and types: https://developers.google.com/google-ads/api/fields/v25/overview and the messages at
github.com/googleapis/googleapis, google/ads/googleads/v25/{resources,common,enums}.
"""

from __future__ import annotations

from enum import Enum


class Kind(Enum):
    """How a field's value is written; 64-bit integers are text in JSON."""

    INT64 = "int64"
    DOUBLE = "double"
    STRING = "string"
    STRINGS = "strings"
    DATE = "date"
    ENUM = "enum"
    BOOL = "bool"


_STATUS = ("UNSPECIFIED", "UNKNOWN", "ENABLED", "PAUSED", "REMOVED")

FIELDS: dict[str, Kind] = {
    "customer.resource_name": Kind.STRING,
    "customer.id": Kind.INT64,
    "customer.descriptive_name": Kind.STRING,
    "customer.currency_code": Kind.STRING,
    "customer.time_zone": Kind.STRING,
    "customer.manager": Kind.BOOL,
    "customer.test_account": Kind.BOOL,
    "customer.auto_tagging_enabled": Kind.BOOL,
    "customer.status": Kind.ENUM,
    "campaign_budget.resource_name": Kind.STRING,
    "campaign_budget.id": Kind.INT64,
    "campaign_budget.name": Kind.STRING,
    "campaign_budget.amount_micros": Kind.INT64,
    "campaign_budget.total_amount_micros": Kind.INT64,
    "campaign_budget.period": Kind.ENUM,
    "campaign_budget.delivery_method": Kind.ENUM,
    "campaign_budget.explicitly_shared": Kind.BOOL,
    "campaign_budget.status": Kind.ENUM,
    "campaign.resource_name": Kind.STRING,
    "campaign.id": Kind.INT64,
    "campaign.name": Kind.STRING,
    "campaign.status": Kind.ENUM,
    "campaign.serving_status": Kind.ENUM,
    "campaign.advertising_channel_type": Kind.ENUM,
    "campaign.campaign_budget": Kind.STRING,
    "campaign.start_date_time": Kind.STRING,
    "campaign.end_date_time": Kind.STRING,
    "campaign.tracking_url_template": Kind.STRING,
    "campaign.final_url_suffix": Kind.STRING,
    "ad_group.resource_name": Kind.STRING,
    "ad_group.id": Kind.INT64,
    "ad_group.name": Kind.STRING,
    "ad_group.status": Kind.ENUM,
    "ad_group.type": Kind.ENUM,
    "ad_group.campaign": Kind.STRING,
    "ad_group_ad.resource_name": Kind.STRING,
    "ad_group_ad.ad_group": Kind.STRING,
    "ad_group_ad.status": Kind.ENUM,
    "ad_group_ad.ad.resource_name": Kind.STRING,
    "ad_group_ad.ad.id": Kind.INT64,
    "ad_group_ad.ad.name": Kind.STRING,
    "ad_group_ad.ad.type": Kind.ENUM,
    "ad_group_ad.ad.final_urls": Kind.STRINGS,
    "asset_group.resource_name": Kind.STRING,
    "asset_group.id": Kind.INT64,
    "asset_group.campaign": Kind.STRING,
    "asset_group.name": Kind.STRING,
    "asset_group.status": Kind.ENUM,
    "metrics.impressions": Kind.INT64,
    "metrics.clicks": Kind.INT64,
    "metrics.interactions": Kind.INT64,
    "metrics.cost_micros": Kind.INT64,
    "metrics.conversions": Kind.DOUBLE,
    "metrics.conversions_value": Kind.DOUBLE,
    "metrics.all_conversions": Kind.DOUBLE,
    "metrics.all_conversions_value": Kind.DOUBLE,
    "segments.date": Kind.DATE,
    "segments.month": Kind.DATE,
}

ENUMS: dict[str, tuple[str, ...]] = {
    "customer.status": ("UNSPECIFIED", "UNKNOWN", "ENABLED", "CANCELED", "SUSPENDED", "CLOSED"),
    "campaign_budget.period": ("UNSPECIFIED", "UNKNOWN", "DAILY", "CUSTOM_PERIOD"),
    "campaign_budget.delivery_method": ("UNSPECIFIED", "UNKNOWN", "STANDARD", "ACCELERATED"),
    "campaign_budget.status": ("UNSPECIFIED", "UNKNOWN", "ENABLED", "REMOVED"),
    "campaign.status": _STATUS,
    "campaign.serving_status": ("UNSPECIFIED", "UNKNOWN", "SERVING", "NONE", "ENDED", "PENDING", "SUSPENDED"),
    "campaign.advertising_channel_type": (
        "UNSPECIFIED",
        "UNKNOWN",
        "SEARCH",
        "DISPLAY",
        "SHOPPING",
        "HOTEL",
        "VIDEO",
        "MULTI_CHANNEL",
        "LOCAL",
        "SMART",
        "PERFORMANCE_MAX",
        "LOCAL_SERVICES",
        "TRAVEL",
        "DEMAND_GEN",
    ),
    "ad_group.status": _STATUS,
    "ad_group.type": ("UNSPECIFIED", "UNKNOWN", "SEARCH_STANDARD", "DISPLAY_STANDARD", "SHOPPING_PRODUCT_ADS"),
    "ad_group_ad.status": _STATUS,
    "asset_group.status": _STATUS,
    "ad_group_ad.ad.type": ("UNSPECIFIED", "UNKNOWN", "RESPONSIVE_SEARCH_AD", "RESPONSIVE_DISPLAY_AD"),
}

#: Resources that can stand in FROM, each with those whose fields may be selected beside its own.
RESOURCES: dict[str, tuple[str, ...]] = {
    "customer": ("customer",),
    "campaign_budget": ("campaign_budget", "customer"),
    "campaign": ("campaign", "campaign_budget", "customer"),
    "ad_group": ("ad_group", "campaign", "customer"),
    "ad_group_ad": ("ad_group_ad", "ad_group", "campaign", "customer"),
    "asset_group": ("asset_group", "campaign", "customer"),
}
